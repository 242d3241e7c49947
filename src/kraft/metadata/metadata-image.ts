/**
 * A KRaft cluster as its metadata log tells it. The maps change in place as the log goes on; the entries in them never do: what
 * changes is replaced by another entry, so that whoever keeps one keeps what was true at that time.
 */

/** `SecurityProtocol.id` in Kafka: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL. */
export type SecurityProtocolId = number

export interface BrokerEndpoint {
  readonly host: string
  readonly port: number
  readonly securityProtocol: SecurityProtocolId
}

export interface BrokerEntry {
  readonly id: number
  /** The offset of the record that registered this incarnation. */
  readonly epoch: bigint
  readonly incarnationId: string
  /** By listener name. */
  readonly endpoints: ReadonlyMap<string, BrokerEndpoint>
  readonly rack: string | null
  readonly fenced: boolean
  readonly inControlledShutdown: boolean
  readonly logDirs: readonly string[]
  /** Where no new replicas are placed (KIP-1066). Empty before metadata.version 4.3. */
  readonly cordonedLogDirs: readonly string[]
}

export interface PartitionEntry {
  readonly topicId: string
  readonly partition: number
  /** -1: none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  /** The preferred leader first. */
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly addingReplicas: readonly number[]
  readonly removingReplicas: readonly number[]
  /** Eligible leader replicas (KIP-966). */
  readonly elr: readonly number[]
  readonly lastKnownElr: readonly number[]
  /** 0 RECOVERED, 1 RECOVERING after an unclean election. */
  readonly leaderRecoveryState: number
}

export interface TopicEntry {
  readonly id: string
  readonly name: string
  readonly partitions: ReadonlyMap<number, PartitionEntry>
}

export interface MetadataImage {
  readonly brokers: ReadonlyMap<number, BrokerEntry>
  /** By topic id. */
  readonly topics: ReadonlyMap<string, TopicEntry>
  readonly topicsByName: ReadonlyMap<string, TopicEntry>
  /** The finalized level of each feature that has one; `kraft.version` is not in here, because control records carry it. */
  readonly features: ReadonlyMap<string, number>
  /** The first producer id that no broker was given. */
  readonly nextProducerId: bigint
  partition (topicId: string, partition: number): PartitionEntry | null
  /** What was set for the topic itself. Defaults are not in here. */
  topicConfig (name: string): ReadonlyMap<string, string>
  /** What was set dynamically for a broker; with null, for all brokers. Defaults and files are not in here. */
  brokerConfig (brokerId: number | null): ReadonlyMap<string, string>
}
