import { CreateTopics } from '../../../protocol/messages/create-topics.ts'
import type { Cluster } from '../cluster.ts'
import { ADMIN_TIMEOUT_MS } from './admin-timeout.ts'
import { askController } from './ask-controller.ts'
import { checkAnswer } from './check-answer.ts'

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** -1 for the cluster's default. */
  readonly replicationFactor: number
  /** The replicas of each partition, the first of them preferred to lead. Default: the cluster chooses `replicationFactor` of them. */
  readonly assignments?: ReadonlyArray<readonly number[]>
  readonly configs: Readonly<Record<string, string>>
  /** Ask whether the topic could be created, and create nothing. */
  readonly validateOnly?: boolean
}

/**
 * Creates a topic. Brokers learn of it a moment later.
 * @throws {BrokerError} what the cluster says against it, such as TOPIC_ALREADY_EXISTS
 */
export async function createTopic (cluster: Cluster, topic: NewTopic, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  const { name, partitions, replicationFactor, assignments, configs, validateOnly = false } = topic
  await askController(cluster, CreateTopics, {
    topics: [{
      name,
      // A broker takes either numbers or assignments.
      numPartitions: assignments === undefined ? partitions : -1,
      replicationFactor: assignments === undefined ? replicationFactor : -1,
      assignments: (assignments ?? []).map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds: [...brokerIds] })),
      configs: Object.entries(configs).map(([name, value]) => ({ name, value }))
    }],
    timeoutMs: ADMIN_TIMEOUT_MS,
    validateOnly
  }, {
    signal,
    ...(validateOnly ? { minVersion: 1 } : {}),
    check: body => { checkAnswer(body.topics.find(row => row.name === name), `CreateTopics ${name}`) }
  })
}
