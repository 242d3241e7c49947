import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { deleteTopic } from '../../client/admin/delete-topic.ts'
import type { Cluster } from '../../client/cluster.ts'
import { retry } from '../../client/retry.ts'
import { isBrokerError, ShadowError } from '../../errors.ts'

const GONE_MS = 15_000

/**
 * Deletes a topic, if it is there; resolves when the cluster does not show it any more.
 * @throws {BrokerError} what the cluster has against it; {ShadowError} CLUSTER_UNAVAILABLE (retriable) when it is shown for too long
 */
export async function discardTopic (cluster: Cluster, topic: string, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  try {
    await deleteTopic(cluster, topic, { signal })
  } catch (error) {
    if (!isBrokerError(error, ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION)) throw error
  }
  await retry(async () => {
    const shown = (await cluster.refresh({ signal })).topics.get(topic)
    if (shown !== undefined && shown.errorCode !== ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION) throw new ShadowError('CLUSTER_UNAVAILABLE', `topic ${topic} was deleted, and is still shown`, { retriable: true })
  }, { signal, deadlineMs: GONE_MS, baseMs: 50, maxMs: 500 })
}
