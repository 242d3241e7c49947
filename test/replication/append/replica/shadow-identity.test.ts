import { test } from 'tap'
import type { BrokerEntry, MetadataImage, PartitionEntry, TopicEntry } from '../../../../src/kraft/metadata/metadata-image.ts'
import { chooseIdentity, ShadowIdentities, type EnginePlace } from '../../../../src/replication/append/replica/shadow-identity.ts'
import { LinkState } from '../../../../src/state/link-state.ts'
import { encodeValue, keyOf, type ShadowLeaderRecord, type StateChange } from '../../../../src/state/records.ts'

const IDS = [{ first: 3000, last: 3002 }]
const NOW = new Date('2026-01-01T00:00:00Z')

function broker (id: number, incarnationId: string): BrokerEntry {
  return { id, epoch: 1n, incarnationId, endpoints: new Map(), rack: null, fenced: false, inControlledShutdown: false, logDirs: [], cordonedLogDirs: [] }
}

/** One partition with these in its replicas and ISR, and these eligible where there is no ISR. */
function image (brokers: readonly BrokerEntry[], replicas: readonly number[] = [], isr: readonly number[] = [], elr: readonly number[] = []): MetadataImage {
  const entry: PartitionEntry = {
    topicId: 't', partition: 0, leader: -1, leaderEpoch: 0, partitionEpoch: 0, replicas, isr, addingReplicas: [], removingReplicas: [], elr, lastKnownElr: [], leaderRecoveryState: 0
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

const SELF: EnginePlace = { instance: 'this', address: 'here:9092' }
const OTHER: EnginePlace = { instance: 'that', address: 'there:9092' }

function record (brokerId: number, incarnationId: string, { instance, address }: { readonly instance: string | null, readonly address: string | null } = { instance: null, address: null }): ShadowLeaderRecord {
  return { brokerId, incarnationId, logDirId: 'd', since: 'then', instance, address }
}

function known (...records: readonly ShadowLeaderRecord[]): ReadonlyMap<number, ShadowLeaderRecord> {
  return new Map(records.map(one => [one.brokerId, one]))
}

function choose (records: ReadonlyMap<number, ShadowLeaderRecord>, seen: MetadataImage): ShadowLeaderRecord {
  return chooseIdentity(records, seen, { ranges: IDS, self: SELF, now: NOW })
}

test('the identity of the state topic goes on, registered or not, and is this engine from then on', async t => {
  t.match(choose(known(record(3001, 'ours')), image([broker(3001, 'ours')])), { brokerId: 3001, incarnationId: 'ours', logDirId: 'd', ...SELF })
  t.match(choose(known(record(3001, 'ours')), image([broker(1, 'x')])), { brokerId: 3001, incarnationId: 'ours', ...SELF })
})

test('of several, an engine is the one that it stands by as, or the one that has the partitions, or the one at its address', async t => {
  const two = known(record(3000, 'a', OTHER), record(3001, 'b', SELF))
  t.equal(choose(two, image([broker(3000, 'a'), broker(3001, 'b')], [3000, 1], [3000])).brokerId, 3001, 'it is alive')
  t.equal(choose(two, image([broker(3000, 'a'), { ...broker(3001, 'b'), fenced: true }], [3000, 3001, 1], [3000])).brokerId, 3000, 'it is not, and in no ISR')
  t.equal(choose(two, image([{ ...broker(3001, 'b'), fenced: true }], [3000, 3001, 1], [3000, 3001])).brokerId, 3001, 'both have them')
  t.equal(choose(two, image([{ ...broker(3000, 'a'), fenced: true }], [3000, 3001, 1], [], [3000])).brokerId, 3000, 'only that one may lead, when it is alive')
  t.equal(choose(known(record(3000, 'a', OTHER), record(3001, 'b', { instance: 'before', address: SELF.address })), image([])).brokerId, 3001)
})

test('without one, the first id that nobody has, with ids of its own', async t => {
  const first = choose(new Map(), image([broker(1, 'x')]))
  t.match(first, { brokerId: 3000, since: NOW.toISOString(), ...SELF })
  t.match(first.incarnationId, /^[A-Za-z0-9_-]{22}$/)
  t.not(first.incarnationId, first.logDirId)
})

test('an id that somebody else has registered, or that a partition still names, is left alone', async t => {
  t.equal(choose(new Map(), image([broker(3000, 'theirs')], [3001, 1])).brokerId, 3002)
  t.equal(choose(known(record(3000, 'ours')), image([broker(3000, 'theirs')])).brokerId, 3001, 'also one that was ours')
})

test('when every id is taken, that is said', async t => {
  t.throws(() => choose(new Map(), image([3000, 3001, 3002].map(id => broker(id, 'theirs')))), { code: 'CONFLICT', message: /every broker id of shadow_leader.broker_ids \(3000 to 3002\) is taken/ })
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
    self: SELF,
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

test('a broker that is nobody is the same one again while it is not registered; what was begun and not done uses up no ids', async t => {
  const { identities, written } = slowState()
  const { signal } = new AbortController()
  const { identity } = await identities.identify(image([]), signal)
  const us = broker(3000, identity.incarnationId)
  const spare = await identities.spare(image([us]), signal)
  t.match(spare, { brokerId: 3001, instance: '', address: null })
  t.same(await identities.spare(image([us]), signal), spare)
  t.equal(written.length, 2, 'recorded once')
  t.match(await identities.spare(image([us], [1, 3001]), signal), { brokerId: 3002 }, 'one that is in replicas is of no use')
  await t.rejects(identities.spare(image([us, broker(3001, spare.incarnationId)], [3002]), signal), { code: 'CONFLICT' })
})

const SEATED = { leading: new Set([3000]), signal: new AbortController().signal }

test('every engine that stands by is given a broker of its own, once, and the same one again when it is started anew', async t => {
  const { identities, written } = slowState()
  const { identity } = await identities.identify(image([]), SEATED.signal)
  const seen = image([broker(3000, identity.incarnationId)])
  await identities.seat([SELF, OTHER], { ...SEATED, image: seen })
  t.match(identities.known.get(3001), { brokerId: 3001, ...OTHER })
  await identities.seat([SELF, OTHER], { ...SEATED, image: seen })
  t.equal(written.length, 2, 'nothing is written again')
  const seat = identities.known.get(3001)
  await identities.seat([SELF, { ...OTHER, instance: 'that anew' }], { ...SEATED, image: seen })
  t.same(identities.known.get(3001), { ...seat, instance: 'that anew' })
  t.same([...identities.known.keys()], [3000, 3001])
})

test('an engine at another address is given the broker of one that is gone, once the cluster has noticed', async t => {
  const { identities } = slowState()
  const { identity } = await identities.identify(image([]), SEATED.signal)
  await identities.seat([SELF, OTHER], { ...SEATED, image: image([]) })
  const gone = identities.known.get(3001)
  const seen = (fenced: boolean): MetadataImage => image([broker(3000, identity.incarnationId), { ...broker(3001, gone?.incarnationId ?? ''), fenced }])
  const third: EnginePlace = { instance: 'third', address: 'elsewhere:9092' }
  await identities.seat([SELF, third], { ...SEATED, image: seen(false) })
  t.match(identities.known.get(3002), third, 'it may be alive')
  const fourth: EnginePlace = { instance: 'fourth', address: 'nowhere:9092' }
  await identities.seat([SELF, third, fourth], { ...SEATED, image: seen(true) })
  t.same(identities.known.get(3001), { ...gone, ...fourth })
  await t.rejects(identities.seat([SELF, OTHER, third, fourth], { ...SEATED, image: seen(true) }), { code: 'CONFLICT', message: /is taken/ })
})

test('engines that share an address are one broker: none of them stands by', async t => {
  const { identities } = slowState()
  const { identity } = await identities.identify(image([]), SEATED.signal)
  const seen = image([broker(3000, identity.incarnationId)])
  await identities.seat([SELF, { instance: 'twin', address: SELF.address }, OTHER, { ...OTHER, instance: 'its twin' }], { ...SEATED, image: seen })
  t.same([...identities.known.keys()], [3000])
})

test('a broker that was vacated or inherited is nobody else\'s', async t => {
  const { identities } = slowState()
  await identities.identify(image([]), SEATED.signal)
  await identities.seat([OTHER], { ...SEATED, image: image([]) })
  const seat = identities.known.get(3001)
  t.same(seat === undefined ? null : await identities.inherit(seat, SEATED.signal), { ...seat, instance: SELF.instance })
  await identities.vacate([3001, 3007], SEATED.signal)
  t.equal(identities.known.get(3001)?.instance, '')
})
