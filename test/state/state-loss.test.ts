import { test } from 'tap'
import { parseLinkDocument } from '../../src/config/link-config.ts'
import { LinkState } from '../../src/state/link-state.ts'
import { encodeValue, keyOf, type StateChange } from '../../src/state/records.ts'
import { lostChanges } from '../../src/state/state-loss.ts'
import { topicRecord } from '../support/topic-record.ts'

const SINCE = '2026-01-01T00:00:00.000Z'

const engine: StateChange = { kind: 'engine', value: { epoch: 4, instance: 'a', adminAddress: null, since: SINCE, restoredEpoch: 0 } }

const link = (name: string, uid: string): StateChange => ({
  kind: 'link',
  name,
  value: {
    uid,
    config: parseLinkDocument({ name, client_options: { bootstrap_servers: ['source:9092'] } }, 'test'),
    appendMode: 'produce',
    appendModeReason: null,
    sourceClusterId: null,
    createdAt: SINCE,
    failedOverAt: null,
    promotingAt: null,
    pausedAt: null,
    highestProducerId: -1
  }
})

/** One record of every kind. */
const EVERY: readonly StateChange[] = [
  engine,
  { kind: 'shadow-leader', brokerId: 3000, value: { brokerId: 3000, incarnationId: 'i', logDirId: 'd', since: SINCE, address: null, instance: null } },
  link('site-b', 'u1'),
  { kind: 'deletion', name: 'site-c', value: { at: SINCE } },
  { kind: 'topic', link: 'site-b', topic: 'orders', value: topicRecord({ link: 'site-b', since: SINCE }) },
  { kind: 'security', link: 'site-b', id: 'user-1', value: { link: 'site-b', id: 'user-1', since: SINCE, type: 'user', user: 'u', mechanism: 'SCRAM-SHA-256', salt: 'c2FsdA==' } },
  { kind: 'schema-registry', link: 'site-b', value: { link: 'site-b', contexts: ['.'], openedAt: null } },
  { kind: 'schema-subject', link: 'site-b', subject: 'a/b', value: { link: 'site-b', subject: 'a/b', versions: [[1, 7]], compatibility: false, mode: null } },
  { kind: 'audit', slot: 3, value: { number: 3, at: SINCE, action: 'create', link: 'site-b', topics: null, detail: '', by: null, problem: null } },
  { kind: 'groups', link: 'site-b', shard: 7, value: { uid: 'u1', writtenAt: 5, round: 2, groups: [['g', 4, [['orders', '0:abc', '']]]] } },
  { kind: 'groups-settled', link: 'site-b', value: { uid: 'u1', round: 2 } }
]

function stateOf (changes: readonly StateChange[]): LinkState {
  const state = new LinkState()
  for (const change of changes) state.apply(state.revision, keyOf(change), encodeValue(change, 4))
  return state
}

test('a state tells of every kind of record that it was made of', async t => {
  t.same(stateOf(EVERY).changes(), EVERY)
  t.same(new LinkState().changes(), [])
})

test('of a log that was cut off all is written again as it was, and what came before its removal is removed again', async t => {
  const before = stateOf([...EVERY, link('site-b', 'u2')])
  const now = stateOf([engine, link('site-b', 'u1'), link('site-a', 'u3')])
  const changes = lostChanges({ reason: '', epoch: 4, before, isMadeAnew: false }, now)
  t.same(stateOf([engine, link('site-a', 'u3'), ...changes]).changes(), before.changes())
  t.same(changes.at(-1), { kind: 'link', name: 'site-a', value: null })
  t.notOk(changes.some(({ kind }) => kind === 'engine'), 'who leads writes that, behind all others')
})

test('of a topic that was made anew what it holds counts', async t => {
  const now = stateOf([link('site-b', 'u9')])
  const changes = lostChanges({ reason: '', epoch: 4, before: stateOf(EVERY), isMadeAnew: true }, now)
  t.same(changes, EVERY.filter(change => change.kind !== 'engine' && change.kind !== 'link'))
})
