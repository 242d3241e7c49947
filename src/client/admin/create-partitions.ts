import { CreatePartitions } from '../../../protocol/messages/create-partitions.ts'
import type { Cluster } from '../cluster.ts'
import { ADMIN_TIMEOUT_MS } from './admin-timeout.ts'
import { askController } from './ask-controller.ts'
import { checkAnswer } from './check-answer.ts'

export interface PartitionGrowth {
  readonly topic: string
  readonly count: number
  /** The replicas of each new partition. Default: the cluster chooses them. */
  readonly assignments?: ReadonlyArray<readonly number[]>
}

/**
 * Brings a topic to `count` partitions.
 * @throws {BrokerError} INVALID_PARTITIONS when it has as many already, or more
 */
export async function createPartitions (cluster: Cluster, { topic, count, assignments }: PartitionGrowth, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  await askController(cluster, CreatePartitions, {
    topics: [{ name: topic, count, assignments: assignments?.map(brokerIds => ({ brokerIds: [...brokerIds] })) ?? null }],
    timeoutMs: ADMIN_TIMEOUT_MS,
    validateOnly: false
  }, {
    signal,
    check: body => { checkAnswer(body.results.find(({ name }) => name === topic), `CreatePartitions ${topic}`) }
  })
}
