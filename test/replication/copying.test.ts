import { test } from 'tap'
import { randomBytes } from 'node:crypto'
import { ShadowPair, until } from '../support/shadow-pair.ts'

test('copies several topics and partitions in all codecs, and goes on with what comes later', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'orders', 3)
  await pair.createTopic('source', 'quiet', 1)
  for (let codec = 0; codec <= 4; codec++) {
    for (let partition = 0; partition < 3; partition++) {
      pair.write('orders', partition, 20, {
        compression: codec,
        records: [
          { timestamp: 5, key: null, value: null },
          { timestamp: 1_700_000_000_000, key: Buffer.from('k'), value: randomBytes(500), headers: [{ key: 'h', value: null }, { key: '', value: Buffer.from('x') }] }
        ]
      })
    }
  }
  pair.write('orders', 1, 1, { records: [{ timestamp: 1, value: randomBytes(900_000) }] })
  const engine = pair.startEngine()
  await pair.untilSame('orders', 3)
  t.equal(pair.shadow.log('orders', 0).logEndOffset, 200)
  await until('the empty topic is there', async () => (await engine.topic('quiet'))?.partitions[0]?.lagRecords === 0)

  await pair.createTopic('source', 'later', 2)
  pair.write('later', 1, 5)
  pair.write('orders', 0, 5)
  await pair.untilSame('later', 2)
  await pair.untilSame('orders', 3)

  await pair.growTopic('later', 4)
  pair.write('later', 3, 5)
  await pair.untilSame('later', 4)

  const reports = await engine.verify()
  t.equal(reports.length, 8)
  t.same(reports.filter(({ difference, incomplete }) => difference !== null || incomplete !== null), [])
  const status = await engine.link()
  t.match(status, { state: 'ACTIVE', source: { reachable: true, problem: null }, tasks: [{ state: 'ACTIVE' }] })
  for (const topic of status?.topics ?? []) {
    t.match(topic, { state: 'ACTIVE', fault: null, fidelity: 'exact', owned: true, problem: null })
    for (const partition of topic.partitions) t.match(partition, { lagRecords: 0, lagSeconds: 0, activity: 'copying', problem: null })
  }
})
