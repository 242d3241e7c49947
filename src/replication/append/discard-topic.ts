import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Cluster } from '../../client/cluster.ts'
import { retry } from '../../client/retry.ts'
import { ShadowError } from '../../errors.ts'
import type { TopicRecord } from '../../state/records.ts'
import { deleteShadowTopic, type DeleteOptions } from './delete-shadow-topic.ts'

const GONE_MS = 15_000

/**
 * Deletes a topic, if it is there; resolves when the cluster does not show it any more.
 * @throws {BrokerError} what the cluster has against it; {ShadowError} CLUSTER_UNAVAILABLE (retriable) when it is shown for too long
 */
export async function discardTopic (cluster: Cluster, record: TopicRecord, { signal, assertMayLead }: DeleteOptions): Promise<void> {
  const { topic } = record
  await deleteShadowTopic(cluster, record, { signal, assertMayLead })
  await retry(async () => {
    const shown = (await cluster.refresh({ signal })).topics.get(topic)
    if (shown !== undefined && shown.errorCode !== ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION) throw new ShadowError('CLUSTER_UNAVAILABLE', `topic ${topic} was deleted, and is still shown`, { retriable: true })
  }, { signal, deadlineMs: GONE_MS, baseMs: 50, maxMs: 500 })
}
