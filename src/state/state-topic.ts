/** The compacted topic on the shadow cluster that links and topic states live in. */
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { createTopic } from '../client/admin/create-topic.ts'
import type { Cluster, ClusterView, TopicView } from '../client/cluster.ts'
import { retry } from '../client/retry.ts'
import { isBrokerError, ShadowError } from '../errors.ts'

export const STATE_TOPIC = '__kshadow_links'
export const STATE_PARTITION = 0

const REPLICAS = 3

/**
 * Creates the state topic if the cluster does not have it.
 * @throws {ShadowError} CONFLICT when a topic of this name has another form
 */
export async function ensureStateTopic (cluster: Cluster, signal: AbortSignal): Promise<void> {
  await retry(async () => {
    const view = await cluster.refresh({ signal })
    if (stateTopicIn(view) !== null) return
    try {
      await createTopic(cluster, {
        name: STATE_TOPIC,
        partitions: 1,
        replicationFactor: Math.min(REPLICAS, view.brokers.size),
        // Small segments, or a state that changes little would be read from its first record on for weeks.
        // Nor may the brokers' own setting have a replica lead that knows less.
        configs: { 'cleanup.policy': 'compact', 'unclean.leader.election.enable': 'false', 'segment.bytes': String(16 * 1024 * 1024), 'min.cleanable.dirty.ratio': '0.1' }
      }, { signal })
    } catch (error) {
      // Another engine was faster.
      if (!isBrokerError(error, ErrorCodes.TOPIC_ALREADY_EXISTS)) throw error
    }
    await cluster.leaderOf(STATE_TOPIC, STATE_PARTITION, { signal })
  }, { signal, deadlineMs: 5000, baseMs: 100, maxMs: 2000 })
}

/**
 * The state topic as the view has it, or null where it does not exist.
 * @throws {ShadowError} CONFLICT
 */
export function stateTopicIn (view: ClusterView): TopicView | null {
  const topic = view.topics.get(STATE_TOPIC)
  if (topic === undefined || topic.errorCode === ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION) return null
  if (topic.partitions.length > 1) throw new ShadowError('CONFLICT', `topic ${STATE_TOPIC} has ${topic.partitions.length} partitions, and must have one: it was not made by kafka-shadow`)
  return topic
}
