import { test } from 'tap'
import { DeleteRecords } from '../../../../protocol/messages/delete-records.ts'
import { Metadata } from '../../../../protocol/messages/metadata.ts'
import { createTopic } from '../../../../src/client/admin/create-topic.ts'
import { Cluster } from '../../../../src/client/cluster.ts'
import { HeldLease } from '../../../../src/client/group/lease.ts'
import { EmbeddedBroker } from '../../../../src/embedded/embedded-broker.ts'
import { silentLogger } from '../../../../src/observability/logger.ts'
import { LogStartFollower } from '../../../../src/replication/append/produce/log-start.ts'
import { assertLeads } from '../../../../src/replication/may-lead.ts'
import { ByteBudget, HeldBytes } from '../../../../src/replication/source/byte-budget.ts'
import { oneBatch } from '../../../support/shadow-pair.ts'
import { setUp } from './copy-fixture.ts'

test('the log start follows the source\'s, but not by an engine that was stopped for longer than its lease', async t => {
  const broker = await EmbeddedBroker.start()
  const cluster = new Cluster({ bootstrapServers: [broker.address], clientId: 'test', logger: silentLogger, metadataMaxAgeMs: 1 })
  t.teardown(async () => {
    await cluster.close()
    await broker.stop()
  })
  const { copy, located } = setUp()
  await createTopic(cluster, { name: copy.topic, partitions: copy.partition + 1, replicationFactor: 1, configs: {} }, { signal: new AbortController().signal })
  const log = broker.log(copy.topic, copy.partition)
  for (let index = 0; index < 5; index++) log.append(oneBatch({ records: [{ timestamp: 1 }] }))
  located(5)
  copy.fetched({ fetchOffset: 5, highWatermark: 100, lastStableOffset: 100, logStartOffset: 2, batches: [], held: new HeldBytes(new ByteBudget(1), 0) })
  let nowMs = 0
  const elected = () => {
    const lease = new HeldLease({ durationMs: 60_000, sentAtMs: nowMs, now: () => nowMs })
    t.teardown(() => { lease.end('the test has ended') })
    return { lease, follower: new LogStartFollower(cluster, () => { assertLeads(() => lease.isHeld()) }) }
  }
  let deletions = 0
  broker.onRequest(DeleteRecords, () => {
    deletions++
    return 'pass'
  })
  const late = elected()
  // The process stands still while it waits for the answer that says who leads the partition.
  const heal = broker.onRequest(Metadata, () => {
    nowMs = 61_000
    return 'pass'
  })
  await new Promise(resolve => setTimeout(resolve, 5))
  t.notOk(late.lease.signal.aborted)
  await t.rejects(late.follower.follow([copy], late.lease.signal), { code: 'ABORTED' })
  t.equal(deletions, 0)
  heal()
  const leading = elected()
  t.same(await leading.follower.follow([copy], leading.lease.signal), [])
  t.equal(deletions, 1)
  t.equal(log.logStartOffset, 2)
})
