/** DescribeConfigs through the sidecar: of shadow topics, what a failover sets. */
import { test } from 'tap'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import type { RequestOf, ResponseInput, ResponseOf } from '../../protocol/schema/api.ts'
import { GUARDED_CONFIGS } from '../../src/replication/append/replica/replica-configs.ts'
import { shadowingConfigs } from '../../src/replication/link/tasks/topics/topic-configs.ts'
import { SHADOWING_CONFIG_NAMES } from '../../src/state/shadowing-names.ts'
import { answerWith, start } from './fixture.ts'

const TOPIC = 2
const BROKER = 4
const ON_TOPIC = 1
const ON_BROKER = 4
const DEFAULT = 5

type Configs = ResponseInput<typeof DescribeConfigs>['results'][number]['configs']

/** What a broker has of a shadow topic in append mode replica. */
const CONFIGS: Configs = [
  { name: 'retention.ms', value: '-1', configSource: ON_TOPIC, synonyms: [{ name: 'retention.ms', value: '-1', source: ON_TOPIC }, { name: 'log.retention.hours', value: '168', source: DEFAULT }] },
  { name: 'min.insync.replicas', value: '1', configSource: ON_TOPIC, synonyms: [{ name: 'min.insync.replicas', value: '1', source: ON_TOPIC }, { name: 'min.insync.replicas', value: '2', source: ON_BROKER }, { name: 'min.insync.replicas', value: '1', source: DEFAULT }] },
  { name: 'unclean.leader.election.enable', value: 'false', configSource: ON_TOPIC, synonyms: [{ name: 'unclean.leader.election.enable', value: 'false', source: ON_TOPIC }] },
  { name: 'cleanup.policy', value: 'delete', configSource: DEFAULT, synonyms: [{ name: 'log.cleanup.policy', value: 'delete', source: DEFAULT }] },
  { name: 'max.compaction.lag.ms', value: '7', configSource: DEFAULT, synonyms: [] },
  { name: 'segment.bytes', value: '5', configSource: ON_TOPIC, synonyms: [{ name: 'segment.bytes', value: '5', source: ON_TOPIC }] },
  { name: 'flush.ms', value: null, configSource: DEFAULT, synonyms: [] }
].map(entry => ({ ...entry, readOnly: false, isSensitive: false }))

function answer ({ resources, includeSynonyms }: RequestOf<typeof DescribeConfigs>, version: number): ResponseInput<typeof DescribeConfigs> {
  return {
    throttleTimeMs: 0,
    results: resources.map(({ resourceType, resourceName, configurationKeys }) => ({
      errorCode: 0,
      errorMessage: null,
      resourceType,
      resourceName,
      configs: CONFIGS.filter(({ name }) => configurationKeys?.includes(name) !== false).map(entry => ({
        ...entry,
        isDefault: version === 0 && entry.configSource === DEFAULT,
        synonyms: includeSynonyms ? entry.synonyms ?? [] : []
      }))
    }))
  }
}

function valuesOf (body: ResponseOf<typeof DescribeConfigs>, topic: string): Array<[string, string | null, number]> {
  return body.results.find(({ resourceName }) => resourceName === topic)?.configs.map(({ name, value, configSource }) => [name, value, configSource]) ?? []
}

const CARRIED = { 'retention.ms': '60000', 'cleanup.policy': 'compact', 'max.compaction.lag.ms': '-5' }
const REFUSED = { 'max.compaction.lag.ms': '-5: no' }

test('clients are shown what a failover sets, in every version, and nothing else is changed', async t => {
  const { client, broker, links } = await start(t)
  links.link('ro', 'replica')
  links.topic('ro', 'ACTIVE', true, { configs: CARRIED, refusedConfigs: REFUSED })
  broker.answer = answerWith(DescribeConfigs, answer)
  const to = await client()
  const resources = [{ resourceType: TOPIC, resourceName: 'open', configurationKeys: null }, { resourceType: TOPIC, resourceName: 'ro', configurationKeys: null }, { resourceType: BROKER, resourceName: '1', configurationKeys: null }]
  for (let version = 0; version <= 4; version++) {
    const source = (shown: number): number => version === 0 ? -1 : shown
    const body = await to.request(DescribeConfigs, version, { resources })
    t.same(valuesOf(body, 'ro'), [
      ['retention.ms', '60000', source(ON_TOPIC)],
      ['min.insync.replicas', '2', source(ON_BROKER)],
      ['unclean.leader.election.enable', 'false', source(ON_TOPIC)],
      ['cleanup.policy', 'compact', source(ON_TOPIC)],
      ['max.compaction.lag.ms', '7', source(DEFAULT)],
      ['segment.bytes', '5', source(ON_TOPIC)],
      ['flush.ms', null, source(DEFAULT)]
    ], `version ${version}`)
    for (const name of ['open', '1']) t.same(valuesOf(body, name), CONFIGS.map(entry => [entry.name, entry.value, source(entry.configSource ?? -1)]))
    t.ok(body.results.every(({ configs }) => configs.every(({ synonyms }) => synonyms.length === 0)), 'nobody asked for synonyms')
    if (version > 0) continue
    t.same(body.results[1]?.configs.map(({ isDefault }) => isDefault), [false, false, false, false, true, false, true])
  }
})

test('synonyms and single names, where they are asked for', async t => {
  const { client, broker, links } = await start(t)
  links.link('ro', 'replica')
  links.topic('ro', 'ACTIVE', true, { configs: CARRIED })
  broker.answer = answerWith(DescribeConfigs, answer)
  const body = await (await client()).request(DescribeConfigs, 4, { resources: [{ resourceType: TOPIC, resourceName: 'ro', configurationKeys: ['retention.ms', 'min.insync.replicas'] }], includeSynonyms: true })
  t.match(body.results[0]?.configs.map(({ name, synonyms }) => [name, synonyms]), [
    ['retention.ms', [{ value: '60000', source: ON_TOPIC }, { value: '168', source: DEFAULT }]],
    ['min.insync.replicas', [{ value: '2', source: ON_BROKER }, { value: '1', source: DEFAULT }]]
  ])
  t.equal(body.results[0]?.configs.length, 2)
})

test('what is no shadow now is shown as it is: open topics, those that no link has, and all while no link is known', async t => {
  const { client, broker, links } = await start(t, { isStateKnown: false })
  broker.answer = answerWith(DescribeConfigs, answer)
  links.link('ro', 'produce')
  links.topic('ro', 'ACTIVE', true, { configs: CARRIED })
  links.topic('done', 'FAILED_OVER', true, { configs: CARRIED })
  links.topic('taken', 'FAULTED', false, { configs: CARRIED })
  links.topic('claimed', 'ACTIVE', true, { configs: CARRIED, created: false })
  const to = await client()
  const shown = async (name: string): Promise<unknown> => valuesOf(await to.request(DescribeConfigs, 4, { resources: [{ resourceType: TOPIC, resourceName: name, configurationKeys: ['retention.ms'] }] }), name)
  t.same(await shown('ro'), [['retention.ms', '-1', ON_TOPIC]])
  links.state = links.all
  links.age = 0
  t.same(await shown('ro'), [['retention.ms', '60000', ON_TOPIC]])
  for (const name of ['done', 'taken', 'claimed', 'none']) t.same(await shown(name), [['retention.ms', '-1', ON_TOPIC]], name)
})

test('the configs that a shadow has of its own are those that the append modes set', async t => {
  t.same([...SHADOWING_CONFIG_NAMES.replica].sort(), Object.keys(GUARDED_CONFIGS).sort())
  const names = new Set([true, false].flatMap(isNew => Object.keys(shadowingConfigs({}, new Set([...SHADOWING_CONFIG_NAMES.produce].filter(name => isNew || !/before|after/.test(name)))))))
  t.same([...SHADOWING_CONFIG_NAMES.produce].sort(), [...names].sort())
})
