import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { CreateTopics } from '../../../protocol/messages/create-topics.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { ADMIN_TIMEOUT_MS } from './admin-timeout.ts'
import { askController } from './ask-controller.ts'

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** -1 for the cluster's default. */
  readonly replicationFactor: number
  /** The replicas of each partition, the first of them preferred to lead. Default: the cluster chooses `replicationFactor` of them. */
  readonly assignments?: ReadonlyArray<readonly number[]>
  readonly configs: Readonly<Record<string, string>>
}

export interface CreateTopicsOptions {
  readonly signal: AbortSignal
  /** Ask whether the topics could be created, and create nothing. */
  readonly validateOnly?: boolean
}

/**
 * Creates topics, each of them or not. Brokers learn of them a moment later. Returns what the cluster has against each, such as
 * TOPIC_ALREADY_EXISTS, in their order; null where it was created. No topic may be there twice.
 * @throws {BrokerError} NOT_CONTROLLER, asked twice; {ShadowError} when the controller cannot be asked: nobody knows then what was created
 */
export async function createTopics (cluster: Cluster, topics: readonly NewTopic[], { signal, validateOnly = false }: CreateTopicsOptions): Promise<Array<BrokerError | null>> {
  const outcomes = new Map<string, BrokerError | null>()
  await askController(cluster, CreateTopics, {
    topics: topics.map(({ name, partitions, replicationFactor, assignments, configs }) => ({
      name,
      // A broker takes either numbers or assignments.
      numPartitions: assignments === undefined ? partitions : -1,
      replicationFactor: assignments === undefined ? replicationFactor : -1,
      assignments: (assignments ?? []).map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds: [...brokerIds] })),
      configs: Object.entries(configs).map(([name, value]) => ({ name, value }))
    })),
    timeoutMs: ADMIN_TIMEOUT_MS,
    validateOnly
  }, {
    signal,
    ...(validateOnly ? { minVersion: 1 } : {}),
    check: body => {
      for (const { name, errorCode, errorMessage } of body.topics) {
        const error = errorCode === ErrorCodes.NONE ? null : new BrokerError(errorCode, `CreateTopics ${name}`, errorMessage)
        // Nothing was carried out by a controller that is none.
        if (errorCode === ErrorCodes.NOT_CONTROLLER && error !== null) throw error
        outcomes.set(name, error)
      }
    }
  })
  return topics.map(({ name }) => {
    const outcome = outcomes.get(name)
    return outcome === undefined ? new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, `CreateTopics ${name}`, 'the answer has no row for it') : outcome
  })
}

/**
 * The same for one topic.
 * @throws {BrokerError} what the cluster says against it
 */
export async function createTopic (cluster: Cluster, { validateOnly = false, ...topic }: NewTopic & { readonly validateOnly?: boolean }, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  const [refusal] = await createTopics(cluster, [topic], { signal, validateOnly })
  if (refusal != null) throw refusal
}
