import { Admin, Consumer, MessagesStreamModes, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'
import { test } from 'tap'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { formatHostPort } from '../../src/net/host-port.ts'

test('a producer, a group and the admin client of @platformatic/kafka', async t => {
  const broker = await EmbeddedBroker.start()
  t.teardown(() => broker.stop())
  const options = { clientId: 'test', bootstrapBrokers: [formatHostPort(broker.address)] }
  const admin = new Admin(options)
  t.teardown(() => admin.close())
  const [created] = await admin.createTopics({ topics: ['orders'], partitions: 2 })
  t.match(created, { name: 'orders', partitions: 2 })

  const producer = new Producer({ ...options, serializers: stringSerializers, idempotent: true })
  t.teardown(() => producer.close(true))
  for (const compression of ['none', 'gzip'] as const) {
    const { offsets } = await producer.send({ compression, messages: [{ topic: 'orders', partition: 0, key: compression, value: 'v', headers: { h: 'x' } }] })
    t.equal(offsets?.length, 1)
  }

  const consumer = new Consumer({ ...options, groupId: 'readers', deserializers: stringDeserializers })
  t.teardown(() => consumer.close(true))
  const stream = await consumer.consume({ topics: ['orders'], mode: MessagesStreamModes.EARLIEST, autocommit: true, maxWaitTime: 100 })
  const seen: string[] = []
  for await (const message of stream) {
    seen.push(`${message.partition}/${message.offset} ${message.key} ${message.headers.get('h')}`)
    if (seen.length === 2) break
  }
  t.same(seen, ['0/0 none x', '0/1 gzip x'])
  const groups = await admin.listGroups()
  t.ok(groups.has('readers'))
})
