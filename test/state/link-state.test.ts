import fc from 'fast-check'
import { test } from 'tap'
import { ConfigError } from '../../src/config/config-error.ts'
import { parseLinkDocument } from '../../src/config/link-config.ts'
import { LinkState } from '../../src/state/link-state.ts'
import { decodeRecord, encodeValue, keyOf, SCHEMA_VERSION, type LinkRecord, type SecurityRecord, type StateChange, type TopicRecord } from '../../src/state/records.ts'
import { isWritable, TOPIC_STATES } from '../../src/state/topic-state.ts'

const SINCE = '2026-01-01T00:00:00.000Z'

function linkRecord (fields: { readonly name?: string, readonly include?: readonly string[], readonly failedOverAt?: string | null } = {}): LinkRecord {
  const { name = 'site-b', include = ['*'], failedOverAt = null } = fields
  return {
    uid: 'uid-1',
    appendMode: 'produce',
    appendModeReason: null,
    config: parseLinkDocument({
      name,
      client_options: { bootstrap_servers: ['source:9092'] },
      topic_metadata_sync_options: { auto_create_shadow_topic_filters: include.map(topic => ({ pattern_type: 'LITERAL', filter_type: 'INCLUDE', name: topic })) }
    }, 'test'),
    sourceClusterId: 'source-cluster',
    createdAt: SINCE,
    failedOverAt,
    promotingAt: null,
    pausedAt: null,
    highestProducerId: -1
  }
}

function topicRecord (fields: Partial<TopicRecord> = {}): TopicRecord {
  return {
    link: 'site-b',
    topic: 'orders',
    state: 'ACTIVE',
    since: SINCE,
    owned: true,
    sourceTopicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    created: true,
    shadowTopicId: null,
    partitions: 3,
    replicationFactor: null,
    configs: { 'retention.ms': '1000' },
    fault: null,
    endOffsets: null,
    startOffsets: null,
    refusedConfigs: {},
    rollbacks: [],
    handingOver: false,
    pausedWithLink: false,
    ...fields
  }
}

function engine (epoch: number, instance = `engine-${epoch}`): StateChange {
  return { kind: 'engine', value: { epoch, instance, adminAddress: '127.0.0.1:9644', since: SINCE, restoredEpoch: 0 } }
}

function link (record: LinkRecord | null, name = 'site-b'): StateChange {
  return { kind: 'link', name, value: record }
}

function topic (record: TopicRecord | null, name: { link: string, topic: string } = record ?? { link: 'site-b', topic: 'orders' }): StateChange {
  return { kind: 'topic', link: name.link, topic: name.topic, value: record }
}

interface Written {
  readonly state: LinkState
  /** Writes changes as the engine of an epoch would. Returns what the state made of each. */
  readonly write: (epoch: number, ...changes: StateChange[]) => Array<StateChange | null>
}

function writer (): Written {
  const state = new LinkState()
  return { state, write: (epoch, ...changes) => changes.map(change => state.apply(state.revision, keyOf(change), encodeValue(change, epoch))) }
}

test('records are read back as they were written', async t => {
  const changes: StateChange[] = [
    engine(7),
    { kind: 'engine', value: { epoch: 1, instance: 'a', adminAddress: null, since: SINCE, restoredEpoch: 0 } },
    link(linkRecord()),
    link(linkRecord({ failedOverAt: SINCE })),
    topic(topicRecord()),
    topic(topicRecord({
      state: 'FAULTED',
      owned: false,
      sourceTopicId: null,
      created: false,
      shadowTopicId: 'AAAAAAAAAAAAAAAAAAAAAg',
      fault: { code: 'OFFSET_GAP', reason: 'a hole', partition: 2, offset: 2 ** 52 },
      endOffsets: [0, 2 ** 52],
      refusedConfigs: { 'local.retention.ms': 'no' },
      rollbacks: [{ partition: 2, at: SINCE, fromOffset: 2 ** 52, toOffset: 9, times: 2, discarded: 77, epochs: [{ epoch: 4, startOffset: 12 }, { epoch: 6, startOffset: 9 }] }]
    }))
  ]
  for (const change of changes) t.strictSame(decodeRecord(keyOf(change), encodeValue(change, 7)), { change, epoch: 7 })
  for (const change of [link(null), topic(null)]) {
    t.equal(encodeValue(change, 7), null)
    t.strictSame(decodeRecord(keyOf(change), null), { change, epoch: null })
  }
})

test('the keys are what the layout says', async t => {
  t.same([engine(1), link(null), topic(null)].map(keyOf), ['engine', 'link/site-b', 'topic/site-b/orders'])
})

test('what this version does not understand is an error, never a guess', async t => {
  const text = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
  const { config: _config, ...withoutConfig } = linkRecord()
  const refused: Array<[string, Buffer | null]> = [
    ['topic/site-b/orders', Buffer.from('not JSON')],
    ['topic/site-b/orders', Buffer.alloc(0)],
    ['topic/site-b/orders', text(null)],
    ['topic/site-b/orders', text({ v: SCHEMA_VERSION + 1, epoch: 1, value: topicRecord() })],
    ['topic/site-b/orders', text({ v: SCHEMA_VERSION, value: topicRecord() })],
    ['topic/site-b/orders', text({ v: SCHEMA_VERSION, epoch: -1, value: topicRecord() })],
    ['topic/site-b/orders', text({ v: SCHEMA_VERSION, epoch: 1, value: { ...topicRecord(), state: 'OPEN' } })],
    ['topic/site-b/orders', text({ v: SCHEMA_VERSION, epoch: 1, value: { ...topicRecord(), fault: { code: 'NEW', reason: '', partition: null, offset: null } } })],
    ['topic/site-b/orders', text({ v: SCHEMA_VERSION, epoch: 1, value: { ...topicRecord(), owned: undefined } })],
    ['link/site-b', text({ v: SCHEMA_VERSION, epoch: 1, value: withoutConfig })],
    ['link/site-b', text({ v: SCHEMA_VERSION, epoch: 1, value: { ...linkRecord(), config: { name: 'site-b' } } })],
    ['engine', text({ v: SCHEMA_VERSION, epoch: 1, value: { epoch: 0, instance: '', adminAddress: null, since: '' } })],
    ['worker/1', text({ v: SCHEMA_VERSION, epoch: 1, value: {} })],
    ['worker/1', null],
    ['', text({ v: SCHEMA_VERSION, epoch: 1, value: {} })]
  ]
  for (const [key, value] of refused) t.throws(() => new LinkState().apply(0, key, value), ConfigError, `${key}: ${String(value)}`)
})

test('a topic is read-only in every state but the two that end a shadow', async t => {
  for (const state of TOPIC_STATES) {
    const { state: links, write } = writer()
    write(1, engine(1), link(linkRecord()), topic(topicRecord({ state })))
    const isOpen = state === 'FAILED_OVER' || state === 'PROMOTED'
    t.equal(isWritable(state), isOpen)
    t.strictSame(links.ruleFor('orders'), isOpen ? { access: 'open' } : { access: 'read-only', link: 'site-b', state }, state)
    t.strictSame(links.ruleFor('payments'), { access: 'open' })
  }
})

test('a topic that is only claimed is read-only already', async t => {
  const { state, write } = writer()
  write(1, engine(1), link(linkRecord()), topic(topicRecord({ created: false })))
  t.equal(state.ruleFor('orders').access, 'read-only')
})

test('a topic that was there before is reported, and stays writable', async t => {
  const { state, write } = writer()
  write(1, engine(1), link(linkRecord()), topic(topicRecord({ owned: false, state: 'FAULTED' })))
  t.equal(state.topicOf('site-b', 'orders')?.state, 'FAULTED')
  t.equal(state.ownerOf('orders'), null)
  t.strictSame(state.ruleFor('orders'), { access: 'open' })
})

test('a link that does not own a topic does not open what another owns', async t => {
  const { state, write } = writer()
  const other = { link: 'site-c', topic: 'orders' }
  write(1, engine(1), topic(topicRecord()), topic(topicRecord({ ...other, owned: false })), topic(null, other))
  t.strictSame(state.ruleFor('orders'), { access: 'read-only', link: 'site-b', state: 'ACTIVE' })
  write(1, topic(null))
  t.strictSame(state.ruleFor('orders'), { access: 'open' })
  t.same(state.topicsOf('site-b'), [])
})

test('an engine that was replaced changes nothing any more', async t => {
  const { state, write } = writer()
  write(1, engine(1), link(linkRecord()), topic(topicRecord()))
  write(2, engine(2))
  t.same(write(1, topic(topicRecord({ state: 'FAILED_OVER' })), link(linkRecord({ failedOverAt: SINCE }))), [null, null])
  t.equal(state.ruleFor('orders').access, 'read-only')
  t.equal(state.links.get('site-b')?.failedOverAt, null)
  t.same(write(1, engine(1, 'again')), [null])
  t.equal(state.engine?.instance, 'engine-2')
  t.equal(state.revision, 7, 'what was fenced off has been read all the same')
  write(2, topic(topicRecord({ state: 'FAILING_OVER' })))
  t.strictSame(state.ruleFor('orders'), { access: 'read-only', link: 'site-b', state: 'FAILING_OVER' })
})

test('topics are listed by name, and counted once', async t => {
  const { state, write } = writer()
  write(1, engine(1), ...['b', 'c', 'a', 'b'].map(name => topic(topicRecord({ topic: name }))), topic(topicRecord({ link: 'site-c', topic: 'd' })))
  t.same(state.topicsOf('site-b').map(record => record.topic), ['a', 'b', 'c'])
  t.same(state.topicsOf('site-c').map(record => record.topic), ['d'])
})

test('a name that a link may be about to create is claimed by it, until the link is failed over', async t => {
  const { state, write } = writer()
  write(1, engine(1), link(linkRecord({ include: ['orders', 'payments'] })), topic(topicRecord()))
  t.equal(state.claimantOf('payments'), 'site-b')
  t.equal(state.claimantOf('orders'), null, 'owned already')
  t.equal(state.claimantOf('others'), null)
  write(1, link(linkRecord({ name: 'site-c', include: ['others'] }), 'site-c'))
  t.equal(state.claimantOf('others'), 'site-c')
  write(1, link(linkRecord({ include: ['orders', 'payments'], failedOverAt: SINCE })))
  t.equal(state.claimantOf('payments'), null)
  write(1, link(null, 'site-c'))
  t.equal(state.claimantOf('others'), null)
})

test('reading a compacted topic gives the same as reading all of it, for one engine', async t => {
  const names = fc.constantFrom('a', 'b')
  const change = fc.oneof(
    fc.record({ link: names, topic: names, state: fc.constantFrom(...TOPIC_STATES), owned: fc.boolean() }).map(fields => topic(topicRecord(fields))),
    fc.record({ link: names, topic: names }).map(name => topic(null, name)),
    fc.record({ name: names, isThere: fc.boolean() }).map(({ name, isThere }) => link(isThere ? linkRecord({ name }) : null, name))
  )
  fc.assert(fc.property(fc.array(change, { maxLength: 30 }), changes => {
    // At most one link owns a topic: that is the engine's to see to.
    const lawful = changes.map(item => item.kind === 'topic' && item.value !== null ? topic({ ...item.value, owned: item.value.owned && item.link === 'a' }) : item)
    const all = [engine(1), ...lawful]
    const last = new Map(all.map((item, offset) => [keyOf(item), offset]))
    const whole = new LinkState()
    const compacted = new LinkState()
    all.forEach((item, offset) => {
      whole.apply(offset, keyOf(item), encodeValue(item, 1))
      if (last.get(keyOf(item)) === offset) compacted.apply(offset, keyOf(item), encodeValue(item, 1))
    })
    const view = (state: LinkState): unknown => [state.engine, [...state.links.keys()].sort(), state.revision, ['a', 'b'].map(name => [state.topicsOf(name), state.ruleFor(name), state.claimantOf(name) === null])]
    t.strictSame(view(compacted), view(whole))
    return t.passing()
  }), { seed: 9, numRuns: 200 })
})

test('what a link has added of ACLs, quotas and users is kept by link, without a secret, until it is removed', async t => {
  const common = { link: 'site-b', since: SINCE }
  const records: SecurityRecord[] = [
    { ...common, id: 'acl-1', type: 'acl', acl: { resourceType: 2, resourceName: 'a/b', patternType: 3, principal: 'User:alice', host: '*', operation: 3, permission: 3 } },
    { ...common, id: 'quota-1', type: 'quota', entity: [{ type: 'user', name: null }], key: 'producer_byte_rate' },
    { ...common, id: 'user-1', type: 'user', user: 'alice', mechanism: 'SCRAM-SHA-512', salt: 'c2FsdA==' }
  ]
  const state = new LinkState()
  const apply = (change: StateChange, offset: number): void => { state.apply(offset, keyOf(change), encodeValue(change, 1)) }
  records.forEach((record, index) => apply({ kind: 'security', link: record.link, id: record.id, value: record }, index))
  t.strictSame(state.securityOf('site-b'), records)
  t.strictSame(state.securityOf('other'), [])
  records.forEach((record, index) => apply({ kind: 'security', link: record.link, id: record.id, value: null }, 10 + index))
  t.strictSame(state.securityOf('site-b'), [])
  t.throws(() => decodeRecord('security/site-b/acl-1', Buffer.from(JSON.stringify({ v: SCHEMA_VERSION, epoch: 1, value: { ...common, id: 'acl-1', type: 'role' } }))), ConfigError)
})

test('claims on the positions of groups are held for engines, and by nobody else', async t => {
  const shard: StateChange = { kind: 'groups', link: 'site-b', shard: 7, value: { uid: 'uid-1', writtenAt: 5, round: 2, groups: [['__proto__', 4, [['orders', '0:abc 1:def', '2:ghi']]]] } }
  const settled: StateChange = { kind: 'groups-settled', link: 'site-b', value: { uid: 'uid-1', round: 2 } }
  const [engines, sidecars] = [new LinkState(), new LinkState({ holdsClaims: false })]
  for (const state of [engines, sidecars]) for (const change of [shard, settled]) t.same(state.apply(state.revision, keyOf(change), encodeValue(change, 1)), change)
  t.same(engines.claimsOf('site-b'), { shards: new Map([[7, shard.value]]), settled: settled.value })
  t.same(sidecars.claimsOf('site-b'), { shards: new Map(), settled: null })
  for (const change of [shard, settled]) engines.apply(engines.revision, keyOf(change), null)
  t.same(engines.claimsOf('site-b'), { shards: new Map(), settled: null })
  t.throws(() => decodeRecord('groups/site-b/7', Buffer.from('{"v":1,"epoch":1,"value":{}}')), ConfigError)
})
