/**
 * A source of real brokers that has lost records by an unclean election: its topic is stopped, restored by order from what is left in
 * common, and the segments of every replica are the source's. Consumers go on where they were.
 */
import { Kafka, logLevel } from 'kafkajs'
import tap, { test } from 'tap'
import { formatHostPort } from '../../src/net/host-port.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster } from '../support/broker-link.ts'
import { compareSegments } from '../support/compare-segments.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { takePorts } from '../support/port-block.ts'
import { untilEnds, untilFaulted } from '../support/rewritten-source.ts'

tap.setTimeout(290_000)

const UNCLEAN = { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' }
const TOPICS = ['shorter', 'longer'] as const
const GROUP = 'readers'
const kafkaOf = (cluster: KafkaCluster): Kafka => new Kafka({ brokers: cluster.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING })

for (const [from, to] of [['3.9', '3.9'], ['4.3', '4.3']] as const) {
  test(`a source that lost records, ${from} to ${to}`, async t => {
    const [source, shadow] = await Promise.all([
      KafkaCluster.start({ version: from, brokers: 2, name: `prefix-source-${from}` }),
      KafkaCluster.start({ version: to, brokers: 2, name: `prefix-shadow-${to}`, config: { 'group.min.session.timeout.ms': '1000' } })
    ])
    t.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
    const ports = await takePorts(1)
    t.teardown(() => ports.release())
    const [sourceClient, client] = [testCluster(source), testCluster(shadow)]
    t.teardown(async () => { await Promise.all([sourceClient.close(), client.close()]) })
    const write = async (topic: string, count: number, text: string): Promise<void> => {
      const producer = kafkaOf(source).producer()
      await producer.connect()
      for (let index = 0; index < count; index++) await producer.send({ topic, acks: 1, messages: [{ partition: 0, value: `${text} ${index}` }] })
      await producer.disconnect()
    }
    for (const topic of TOPICS) {
      await createSourceTopic(sourceClient, topic, 1, UNCLEAN)
      await write(topic, 100, 'kept')
    }
    const admin = kafkaOf(source).admin()
    await admin.connect()
    for (const topic of TOPICS) await admin.setOffsets({ groupId: GROUP, topic, partitions: [{ partition: 0, offset: '90' }] })
    await admin.disconnect()
    const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: 2000, shadowLeader: { host: ports.host, port: ports.ports[0] ?? 0 } })
    t.teardown(() => engine.stop())
    await engine.engine.create({ ...linkDocument('dr', source, TOPICS), consumer_offset_sync_options: { interval: '1s', group_filters: [{ pattern_type: 'LITERAL', filter_type: 'INCLUDE', name: GROUP }] } }, { dryRun: false })
    for (const topic of TOPICS) await untilEnds(client, topic, 100)

    await source.broker(2).stop()
    for (const topic of TOPICS) await write(topic, 20, 'lost')
    for (const topic of TOPICS) await untilEnds(client, topic, 120)
    await source.broker(1).kill()
    await source.broker(2).start()
    for (const topic of TOPICS) await eventually(`${topic} has lost records`, async () => (await endOffsets(sourceClient, topic))[0] === 100)
    await write('shorter', 10, 'new')
    await write('longer', 50, 'new')
    for (const topic of TOPICS) await untilFaulted(engine, topic)

    for (const [topic, end] of [['shorter', 110], ['longer', 150]] as const) {
      t.match(await engine.engine.planRestore('dr', topic), { isOtherTopic: false, partitions: [{ fromOffset: 120, toOffset: 100 }] }, topic)
      await engine.engine.restoreTopic('dr', topic, { from: 'common-prefix', keep: [100] })
      await untilEnds(client, topic, end)
      for (const { id } of shadow.brokers) {
        t.match(compareSegments(source.partitionDir(2, topic, 0), shadow.partitionDir(id, topic, 0)), { startOffset: 0, endOffset: end, difference: null }, `${topic}, broker ${id}`)
      }
      t.match(await engine.topic('dr', topic), { state: 'ACTIVE', fault: null, rollbacks: [{ fromOffset: 120, toOffset: 100, times: 1, discarded: 20 }] })
    }

    await eventually('the positions of the group are on the shadow', async () => (await engine.engine.status('dr')).groups.find(({ name }) => name === GROUP)?.partitions === TOPICS.length)
    await engine.engine.failover('dr', null)
    await eventually('all is open', async () => (await engine.engine.status('dr')).topics.every(({ state }) => state === 'FAILED_OVER'))
    const consumer = kafkaOf(shadow).consumer({ groupId: GROUP })
    t.teardown(() => consumer.disconnect())
    const read = new Map<string, string[]>(TOPICS.map(topic => [topic, []]))
    await consumer.connect()
    await consumer.subscribe({ topics: [...TOPICS] })
    await consumer.run({ eachMessage: async ({ topic, message }) => { read.get(topic)?.push(`${message.offset} ${message.value?.toString() ?? ''}`) } })
    await eventually('it has read what is new', () => read.get('shorter')?.length === 20 && read.get('longer')?.length === 60)
    for (const [topic, count] of [['shorter', 10], ['longer', 50]] as const) {
      t.same(read.get(topic), [...Array.from({ length: 10 }, (_, index) => `${90 + index} kept ${90 + index}`), ...Array.from({ length: count }, (_, index) => `${100 + index} new ${index}`)])
    }
    await consumer.stop()
    await engine.stop()
  })
}
