import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { deleteTopic } from '../../client/admin/delete-topic.ts'
import type { Cluster } from '../../client/cluster.ts'
import { isBrokerError } from '../../errors.ts'
import type { TopicRecord } from '../../state/records.ts'

export interface DeleteOptions {
  readonly signal: AbortSignal
  /** Called at the moment of sending. @throws {ShadowError} when another engine may lead by now, and may have failed the topic over */
  readonly assertMayLead: () => void
}

/**
 * Deletes the topic that the link has made, and no other one of its name where the shadow cluster has topic ids. One that is not there
 * any more was deleted before.
 * @throws {BrokerError} what the shadow cluster says against it; what `assertMayLead` throws
 */
export async function deleteShadowTopic (shadow: Cluster, { topic, shadowTopicId }: TopicRecord, { signal, assertMayLead }: DeleteOptions): Promise<void> {
  try {
    await deleteTopic(shadow, topic, { signal, topicId: shadowTopicId, beforeSend: assertMayLead })
  } catch (error) {
    if (!isBrokerError(error, ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION) && !isBrokerError(error, ErrorCodes.UNKNOWN_TOPIC_ID)) throw error
  }
}
