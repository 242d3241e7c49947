import { test } from 'tap'
import { DeleteTopics } from '../../../protocol/messages/delete-topics.ts'
import { Metadata } from '../../../protocol/messages/metadata.ts'
import { createTopic } from '../../../src/client/admin/create-topic.ts'
import { Cluster } from '../../../src/client/cluster.ts'
import { HeldLease } from '../../../src/client/group/lease.ts'
import { EmbeddedBroker } from '../../../src/embedded/embedded-broker.ts'
import { silentLogger } from '../../../src/observability/logger.ts'
import { discardTopic } from '../../../src/replication/append/discard-topic.ts'
import { assertLeads } from '../../../src/replication/may-lead.ts'
import { topicRecord } from '../../support/topic-record.ts'

test('an engine that was stopped for longer than its lease deletes no topic, before its signal says so, too', async t => {
  const broker = await EmbeddedBroker.start()
  const cluster = (): Cluster => new Cluster({ bootstrapServers: [broker.address], clientId: 'test', logger: silentLogger })
  const [own, late] = [cluster(), cluster()]
  t.teardown(async () => {
    await Promise.all([own.close(), late.close()])
    await broker.stop()
  })
  await createTopic(own, { name: 'a', partitions: 1, replicationFactor: 1, configs: {} }, { signal: new AbortController().signal })
  const record = topicRecord({ topic: 'a', state: 'FAULTED' })
  let nowMs = 0
  const lease = new HeldLease({ durationMs: 60_000, sentAtMs: 0, now: () => nowMs })
  t.teardown(() => { lease.end('the test has ended') })
  let deletions = 0
  broker.onRequest(DeleteTopics, () => {
    deletions++
    return 'pass'
  })
  // The process stands still while it waits for the answer that says who the controller is.
  const heal = broker.onRequest(Metadata, () => {
    nowMs = 61_000
    return 'pass'
  })
  const options = { signal: lease.signal, assertMayLead: () => { assertLeads(() => lease.isHeld()) } }
  t.notOk(lease.signal.aborted)
  await t.rejects(discardTopic(late, record, options), { code: /CLUSTER_UNAVAILABLE|ABORTED/ })
  t.equal(deletions, 0)
  heal()
  const held = new HeldLease({ durationMs: 60_000, sentAtMs: nowMs, now: () => nowMs })
  t.teardown(() => { held.end('the test has ended') })
  await discardTopic(late, record, { signal: held.signal, assertMayLead: () => { assertLeads(() => held.isHeld()) } })
  t.equal(deletions, 1)
})
