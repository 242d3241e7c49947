import { FindCoordinator } from '../../../../protocol/messages/find-coordinator.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { retry } from '../../../client/retry.ts'
import { ShadowError } from '../../../errors.ts'
import type { MetadataFollower } from '../../../kraft/metadata/metadata-follower.ts'

const GROUP = 0
const TRANSACTION = 1

const INTERNAL_TOPICS = [{ name: '__consumer_offsets', keyType: GROUP }, { name: '__transaction_state', keyType: TRANSACTION }] as const

const COORDINATORS_VERSION = 4

/**
 * Makes the cluster create its internal topics, by asking for a coordinator. They must be there before the shadow leader is
 * unfenced for the first time: the controller would place partitions of them on it (facts/kafka-replica-mode.md §4).
 * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) when they are not there within the time
 */
export async function ensureInternalTopics (cluster: Cluster, metadata: MetadataFollower, { signal, deadlineMs }: { readonly signal: AbortSignal, readonly deadlineMs: number }): Promise<void> {
  await retry(async () => {
    const missing = INTERNAL_TOPICS.filter(({ name }) => metadata.image?.topicsByName.has(name) !== true)
    if (missing.length === 0) return
    for (const { keyType } of missing) {
      await cluster.request(FindCoordinator, version => version < COORDINATORS_VERSION ? { key: 'kshadow', keyType } : { coordinatorKeys: ['kshadow'], keyType }, 'any', { signal, minVersion: 1 })
    }
    throw new ShadowError('CLUSTER_UNAVAILABLE', `the shadow cluster does not have ${missing.map(({ name }) => name).join(' and ')} yet`, { retriable: true })
  }, { signal, deadlineMs, baseMs: 50, maxMs: 500 })
}
