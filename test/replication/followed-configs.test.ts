/** The configs of topics that are shadowed: what is asked for, over and over again, and what becomes of changes on either side. */
import { test } from 'tap'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { alterTopicConfigs } from '../../src/client/admin/alter-topic-configs.ts'
import { describeTopicConfigs } from '../../src/client/admin/describe-topic-configs.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { BrokerError } from '../../src/errors.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { ShadowPair, until } from '../support/shadow-pair.ts'

const TOPIC_RESOURCE = 2

test('changes on either side are noticed, and nothing else is asked for', async t => {
  const pair = await ShadowPair.start(t, { topicSync: { interval: '100ms', synced_shadow_topic_properties: ['segment.bytes'] } })
  await pair.createTopic('source', 'a', 1, { 'retention.ms': '5000' })
  pair.write('a', 0, 3)
  const engine = pair.startEngine()
  await pair.untilSame('a')
  const asked = { source: [] as string[], shadow: [] as string[] }
  const ends = (['source', 'shadow'] as const).map(side => pair[side].onRequest(DescribeConfigs, ({ body }) => {
    for (const { resourceType, resourceName, configurationKeys } of body.resources) {
      if (resourceType === TOPIC_RESOURCE && resourceName === 'a') asked[side].push(configurationKeys?.toSorted().join(' ') ?? 'all')
    }
    return 'pass'
  }))
  await until('some syncs', () => asked.source.length > 3 && asked.shadow.length > 3)
  for (const end of ends) end()
  t.same([...new Set(asked.source)], [
    'cleanup.policy compression.type delete.retention.ms max.compaction.lag.ms max.message.bytes message.timestamp.type min.compaction.lag.ms retention.bytes retention.ms segment.bytes'
  ])
  t.same([...new Set(asked.shadow)], [
    'cleanup.policy compression.type max.message.bytes message.timestamp.after.max.ms message.timestamp.before.max.ms message.timestamp.type retention.bytes retention.ms'
  ])

  const { signal } = new AbortController()
  const clients = { source: pair.source.address, shadow: pair.shadow.address }
  const client = (side: 'source' | 'shadow'): Cluster => {
    const cluster = new Cluster({ bootstrapServers: [clients[side]], clientId: 'test', logger: silentLogger })
    t.teardown(() => cluster.close())
    return cluster
  }
  const [source, shadow] = [client('source'), client('shadow')]
  await alterTopicConfigs(source, 'a', new Map([['retention.ms', '7000']]), { signal })
  await until('the change of the source is followed', async () => (await engine.topic('a'))?.syncedConfigs['retention.ms'] === '7000')
  await alterTopicConfigs(shadow, 'a', new Map([['retention.ms', '1']]), { signal })
  await until('what somebody changed on the shadow is set again', async () => {
    const configs = (await describeTopicConfigs(shadow, ['a'], { signal, configs: ['retention.ms'] })).get('a')
    return configs !== undefined && !(configs instanceof BrokerError) && configs.get('retention.ms')?.value === '-1'
  })
})
