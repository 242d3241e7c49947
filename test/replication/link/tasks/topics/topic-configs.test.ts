import { test } from 'tap'
import type { TopicConfigEntry } from '../../../../../src/client/admin/describe-topic-configs.ts'
import { carriedConfigs, carriedNames, driftOf, failoverConfigs, nameOnShadow, shadowingConfigs } from '../../../../../src/replication/link/tasks/topics/topic-configs.ts'

const OPTIONS = { intervalMs: 1000, paused: false, filters: [], syncedProperties: [], excludeDefault: false, start: { at: 'earliest' }, onSourceDeletion: 'keep' } as const
const NEW = new Set(['cleanup.policy', 'retention.ms', 'retention.bytes', 'compression.type', 'message.timestamp.type', 'max.message.bytes',
  'message.timestamp.before.max.ms', 'message.timestamp.after.max.ms', 'segment.bytes'])
const OLD = new Set([...NEW, 'message.timestamp.difference.max.ms'].filter(name => !name.includes('.before.') && !name.includes('.after.')))

function described (values: Readonly<Record<string, string | null>>): Map<string, TopicConfigEntry> {
  return new Map(Object.entries(values).map(([name, value]) => [name, { value, source: 5, isDefault: true, isSensitive: false, isReadOnly: false }]))
}

test('carries what always is, what is by default, and what the link names', async t => {
  t.same(carriedNames(OPTIONS), ['cleanup.policy', 'compression.type', 'delete.retention.ms', 'max.compaction.lag.ms', 'max.message.bytes',
    'message.timestamp.type', 'min.compaction.lag.ms', 'retention.bytes', 'retention.ms'])
  t.same(carriedNames({ ...OPTIONS, excludeDefault: true, syncedProperties: ['segment.ms', 'cleanup.policy'] }),
    ['cleanup.policy', 'max.message.bytes', 'message.timestamp.type', 'segment.ms'])
})

test('carries effective values, and none that the source does not tell', async t => {
  t.same(carriedConfigs(described({ 'cleanup.policy': 'compact', 'retention.ms': null, 'segment.bytes': '5' }), OPTIONS, NEW), { 'cleanup.policy': 'compact' })
})

test('what Redpanda and Apache Kafka call by different names gets the name that the shadow has for it', async t => {
  const kafka = new Set(['local.retention.ms'])
  const redpanda = new Set(['retention.local.target.ms'])
  const carried = (listed: string, source: string, shadow: ReadonlySet<string>): unknown => carriedConfigs(described({ [source]: '7' }), { ...OPTIONS, syncedProperties: [listed] }, shadow)
  for (const listed of ['local.retention.ms', 'retention.local.target.ms']) {
    for (const source of ['local.retention.ms', 'retention.local.target.ms']) {
      t.same(carried(listed, source, kafka), { 'local.retention.ms': '7' })
      t.same(carried(listed, source, redpanda), { 'retention.local.target.ms': '7' })
    }
  }
  t.equal(nameOnShadow('redpanda.remote.write', kafka), null)
  t.equal(nameOnShadow('local.retention.bytes', kafka), null)
})

test('a shadow is left alone by its broker', async t => {
  const configs = shadowingConfigs({ 'cleanup.policy': 'compact', 'retention.ms': '5', 'max.message.bytes': '1000' }, NEW)
  t.match(configs, {
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'compression.type': 'producer',
    'message.timestamp.type': 'CreateTime',
    'message.timestamp.before.max.ms': '9223372036854775807',
    'message.timestamp.after.max.ms': '9223372036854775807'
  })
  t.ok(Number(configs['max.message.bytes']) > 50_000_000)
  t.equal(shadowingConfigs({ 'max.message.bytes': '2000000000' }, NEW)['max.message.bytes'], '2000000000')
})

test('an older broker has one window for timestamps', async t => {
  const configs = shadowingConfigs({}, OLD)
  t.equal(configs['message.timestamp.difference.max.ms'], '9223372036854775807')
  t.notOk(Object.keys(configs).some(name => name.includes('before')))
})

test('at failover the source\'s configs are set, and what was for shadowing only goes back to its default', async t => {
  const changes = failoverConfigs({ 'cleanup.policy': 'compact', 'segment.ms': '7' }, shadowingConfigs({}, NEW))
  t.same(changes.get('cleanup.policy'), 'compact')
  t.same(changes.get('segment.ms'), '7')
  for (const name of ['retention.ms', 'retention.bytes', 'compression.type', 'max.message.bytes', 'message.timestamp.type', 'message.timestamp.before.max.ms', 'message.timestamp.after.max.ms']) {
    t.ok(changes.has(name), name)
    t.equal(changes.get(name), null, name)
  }
})

test('drift: what somebody changed on the shadow, but not a larger limit', async t => {
  const wanted = { 'retention.ms': '-1', 'max.message.bytes': '1000', 'compression.type': 'producer', unknown: '1' }
  t.same([...driftOf(described({ 'retention.ms': '-1', 'max.message.bytes': '2000', 'compression.type': 'producer' }), wanted)], [])
  t.same([...driftOf(described({ 'retention.ms': '5', 'max.message.bytes': '999', 'compression.type': 'producer' }), wanted)],
    [['retention.ms', '-1'], ['max.message.bytes', '1000']])
})
