import { test } from 'tap'
import { silentLogger } from '../../src/observability/logger.ts'
import { AuditLog } from '../../src/replication/audit-log.ts'
import { AUDIT_SLOTS } from '../../src/state/audit-record.ts'
import type { StateChange } from '../../src/state/records.ts'
import { LINK, ShadowPair, until } from '../support/shadow-pair.ts'

const BY = { user: 'alice', address: '127.0.0.1', userAgent: 'kshadow/1' }

test('who ordered what is kept over engines and over the deletion of the link', async t => {
  const pair = await ShadowPair.start(t)
  for (const name of ['a', 'b']) await pair.createTopic('source', name)
  const first = pair.startEngine()
  for (const name of ['a', 'b']) await until(`${name} is copied`, async () => (await first.partition(name, 0))?.activity === 'copying')
  await first.engine.pause(LINK, 'a', BY)
  await first.engine.pause(LINK, { task: 'Source Topic Sync' }, BY)
  await t.rejects(first.engine.retryTopic(LINK, 'a', BY), { code: 'CONFLICT' })
  const document = pair.linkDocument()
  await first.engine.update(LINK, { ...document, client_options: { ...Object(document['client_options']) as object, retry_backoff_ms: 21 } }, { dryRun: false, by: BY })
  await first.engine.failover(LINK, null, BY)
  await first.stop()
  const second = pair.startEngine()
  await until('the second leads', () => second.engine.leadership().leading)
  await second.engine.delete(LINK, { force: true, by: BY })
  await until('all is written down', async () => (await second.engine.audit(LINK)).length === 7)
  t.match(await second.engine.audit(LINK), [
    { number: 0, action: 'create', topics: null, by: null, problem: null },
    { number: 1, action: 'pause', topics: 1, detail: 'a', by: BY, problem: null },
    { number: 2, action: 'pause', topics: null, detail: 'task Source Topic Sync', by: BY },
    { number: 3, action: 'topic retry', topics: 1, detail: 'a', problem: /only one that is FAULTED is repaired/ },
    { number: 4, action: 'update', detail: /client_options\.retry_backoff_ms/, problem: null },
    { number: 5, action: 'failover', topics: 2, detail: 'all', by: BY },
    { number: 6, action: 'delete', topics: 2, by: BY, problem: null }
  ])
  t.notMatch(JSON.stringify(await second.engine.audit(null)), /127\.0\.0\.1:\d/, 'no value of a configuration')
})

test('the newest are kept, an order does not wait for it, and one that fails says why', async t => {
  const written: StateChange[] = []
  const log = new AuditLog({
    known: [{ number: AUDIT_SLOTS + 4, at: '', action: 'pause', link: 'x', topics: null, detail: '', by: null, problem: null }],
    write: async changes => { written.push(...changes) },
    wallClock: () => new Date(0),
    logger: silentLogger
  })
  const order = { action: 'failover', link: 'dr', topics: 1, detail: 'a', by: BY } as const
  t.equal(await log.during(order, async () => 5), 5)
  t.match(written, [{ kind: 'audit', slot: 5, value: { number: AUDIT_SLOTS + 5, problem: null, at: '1970-01-01T00:00:00.000Z' } }])
  await t.rejects(log.during(order, async () => { throw new Error('no') }), { message: 'no' })
  t.match(written.slice(1), [{ slot: 6, value: { problem: null } }, { slot: 6, value: { problem: 'no' } }])
  const failing = new AuditLog({ known: [], write: async () => { throw new Error('the state topic is away') }, wallClock: () => new Date(0), logger: silentLogger })
  t.equal(await failing.during(order, async () => 'done'), 'done')
})
