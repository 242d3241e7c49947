/** Whether the shadow cluster knows the topic configs that a link names: Redpanda and Apache Kafka have some that the other has not. */
import { describeTopicConfigs } from '../../client/admin/describe-topic-configs.ts'
import type { Cluster } from '../../client/cluster.ts'
import type { LinkConfig } from '../../config/link-config.ts'
import { ShadowError } from '../../errors.ts'
import { STATE_TOPIC } from '../../state/state-topic.ts'
import { ok, someOf, warning, failed, whyNot, type PreflightFinding } from './preflight-finding.ts'
import { nameOnShadow } from './tasks/topics/topic-configs.ts'

const LINE = 'synced_shadow_topic_properties'

export async function checkProperties ({ topicSync: { syncedProperties } }: LinkConfig, { shadow, signal }: { readonly shadow: Cluster, readonly signal: AbortSignal }): Promise<PreflightFinding[]> {
  if (syncedProperties.length === 0) return []
  try {
    const described = (await describeTopicConfigs(shadow, [STATE_TOPIC], { signal })).get(STATE_TOPIC)
    if (described === undefined || described instanceof Error) throw described ?? new ShadowError('CLUSTER_UNAVAILABLE', 'the shadow cluster left its topic out of the answer', { retriable: true })
    const unknown = syncedProperties.filter(name => nameOnShadow(name, described) === null)
    if (unknown.length > 0) {
      const foreign = unknown.some(name => name.startsWith('redpanda.')) ? ' (redpanda.* are topic properties of Redpanda alone)' : ''
      return [failed(LINE, new ShadowError('CONFLICT', `the shadow cluster has no topic config ${someOf(unknown)}${foreign}`), 'leave it out: it could not be set at a failover')]
    }
    const renamed = syncedProperties.flatMap(name => {
      const theirs = nameOnShadow(name, described)
      return theirs === null || theirs === name ? [] : [`${name} is ${theirs} there`]
    })
    return [ok(LINE, `the shadow cluster has them all${renamed.length === 0 ? '' : `: ${renamed.join(', ')}`}`)]
  } catch (error) {
    return [warning(LINE, `whether the shadow cluster has these topic configs is not known: ${whyNot(error, signal)}`, 'give the command again when it answers')]
  }
}
