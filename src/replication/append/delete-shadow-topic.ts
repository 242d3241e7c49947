import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { deleteTopic } from '../../client/admin/delete-topic.ts'
import type { Cluster } from '../../client/cluster.ts'
import { isBrokerError } from '../../errors.ts'
import type { TopicRecord } from '../../state/records.ts'

/**
 * Deletes the topic that the link has made, and no other one of its name where the shadow cluster has topic ids. One that is not there
 * any more was deleted before.
 * @throws {BrokerError} what the shadow cluster says against it
 */
export async function deleteShadowTopic (shadow: Cluster, { topic, shadowTopicId }: TopicRecord, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  try {
    await deleteTopic(shadow, topic, { signal, topicId: shadowTopicId })
  } catch (error) {
    if (!isBrokerError(error, ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION) && !isBrokerError(error, ErrorCodes.UNKNOWN_TOPIC_ID)) throw error
  }
}
