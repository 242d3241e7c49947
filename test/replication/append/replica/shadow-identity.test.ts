import { test } from 'tap'
import type { BrokerEntry, MetadataImage, PartitionEntry, TopicEntry } from '../../../../src/kraft/metadata/metadata-image.ts'
import { chooseIdentity, ShadowIdentities } from '../../../../src/replication/append/replica/shadow-identity.ts'
import { LinkState } from '../../../../src/state/link-state.ts'
import { encodeValue, keyOf, type ShadowLeaderRecord, type StateChange } from '../../../../src/state/records.ts'

const IDS = [{ first: 3000, last: 3002 }]
const NOW = new Date('2026-01-01T00:00:00Z')

function broker (id: number, incarnationId: string): BrokerEntry {
  return { id, epoch: 1n, incarnationId, endpoints: new Map(), rack: null, fenced: false, inControlledShutdown: false, logDirs: [], cordonedLogDirs: [] }
}

function image (brokers: readonly BrokerEntry[], replicas: readonly number[] = []): MetadataImage {
  const entry: PartitionEntry = {
    topicId: 't', partition: 0, leader: -1, leaderEpoch: 0, partitionEpoch: 0, replicas, isr: [], addingReplicas: [], removingReplicas: [], elr: [], lastKnownElr: [], leaderRecoveryState: 0
  }
  const topics = new Map<string, TopicEntry>(replicas.length === 0 ? [] : [['t', { id: 't', name: 't', partitions: new Map([[0, entry]]) }]])
  return {
    brokers: new Map(brokers.map(found => [found.id, found])),
    topics,
    topicsByName: new Map(),
    features: new Map(),
    nextProducerId: 0n,
    partition: () => null,
    topicConfig: () => new Map(),
    brokerConfig: () => new Map()
  }
}

function known (brokerId: number, incarnationId: string): ReadonlyMap<number, ShadowLeaderRecord> {
  return new Map([[brokerId, { brokerId, incarnationId, logDirId: 'd', since: 'then' }]])
}

test('the identity of the state topic goes on, registered or not', async t => {
  t.match(chooseIdentity(known(3001, 'ours'), image([broker(3001, 'ours')]), IDS, NOW), { brokerId: 3001, incarnationId: 'ours', logDirId: 'd' })
  t.match(chooseIdentity(known(3001, 'ours'), image([broker(1, 'x')]), IDS, NOW), { brokerId: 3001, incarnationId: 'ours' })
})

test('without one, the first id that nobody has, with ids of its own', async t => {
  const first = chooseIdentity(new Map(), image([broker(1, 'x')]), IDS, NOW)
  t.match(first, { brokerId: 3000, since: NOW.toISOString() })
  t.match(first.incarnationId, /^[A-Za-z0-9_-]{22}$/)
  t.not(first.incarnationId, first.logDirId)
})

test('an id that somebody else has registered, or that a partition still names, is left alone', async t => {
  t.equal(chooseIdentity(new Map(), image([broker(3000, 'theirs')], [3001, 1]), IDS, NOW).brokerId, 3002)
  t.equal(chooseIdentity(known(3000, 'ours'), image([broker(3000, 'theirs')]), IDS, NOW).brokerId, 3001, 'also one that was ours')
})

test('when every id is taken, that is said', async t => {
  t.throws(() => chooseIdentity(new Map(), image([3000, 3001, 3002].map(id => broker(id, 'theirs'))), IDS, NOW), { code: 'CONFLICT', message: /every broker id of shadow_leader.broker_ids \(3000 to 3002\) is taken/ })
})

/** A state topic whose records are read only when somebody waits for them. */
function slowState () {
  const state = new LinkState()
  const written: StateChange[] = []
  let read = 0
  const identities = new ShadowIdentities({
    state: {
      state,
      reached: async offset => {
        for (; read < offset; read++) {
          const change = written[read]
          if (change !== undefined) state.apply(read, keyOf(change), encodeValue(change, 1), 1)
        }
        return await Promise.resolve(state)
      }
    },
    write: async changes => await Promise.resolve(written.push(...changes)),
    ranges: IDS,
    wallClock: () => NOW
  })
  return { identities, written }
}

test('an identity is recorded before it is used, once', async t => {
  const { identities, written } = slowState()
  const { signal } = new AbortController()
  const first = await identities.identify(image([]), signal)
  t.match(first, { isNew: true, identity: { brokerId: 3000 } })
  t.same([...identities.ids], [3000])
  t.same(await identities.identify(image([broker(3000, first.identity.incarnationId)]), signal), { identity: first.identity, isNew: false })
  t.equal(written.length, 1)
})

test('one that was forgotten is not taken for one that is recorded, however soon it is asked for', async t => {
  const { identities, written } = slowState()
  const { signal } = new AbortController()
  const { identity } = await identities.identify(image([]), signal)
  await identities.forget([identity.brokerId], signal)
  const second = await identities.identify(image([]), signal)
  t.match(second, { isNew: true, identity: { brokerId: 3000 } })
  t.not(second.identity.incarnationId, identity.incarnationId)
  t.same(written.map(({ value }) => value === null), [false, true, false])
  await identities.forget([], signal)
  t.equal(written.length, 3, 'nothing is nothing to write')
})
