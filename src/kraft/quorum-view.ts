/** Who leads the controllers, and where they listen (DescribeQuorum). */
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import type { DescribeQuorum } from '../../protocol/messages/describe-quorum.ts'
import type { RequestInput, ResponseOf } from '../../protocol/schema/api.ts'
import { BrokerError } from '../errors.ts'
import type { HostPort } from '../net/host-port.ts'
import { METADATA_PARTITION, METADATA_TOPIC } from './metadata-topic.ts'

export interface QuorumView {
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly voterIds: readonly number[]
  /** Where the voters listen, by their ids. Empty before version 2 (Kafka 3.9). */
  readonly endpoints: ReadonlyMap<number, readonly HostPort[]>
}

export const DESCRIBE_QUORUM_BODY: RequestInput<typeof DescribeQuorum> = {
  topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: METADATA_PARTITION }] }]
}

/** @throws {BrokerError} what the answer, or its only partition, says is wrong */
export function quorumView ({ errorCode, errorMessage, topics, nodes }: ResponseOf<typeof DescribeQuorum>): QuorumView {
  const partition = topics[0]?.partitions[0]
  if (errorCode !== ErrorCodes.NONE) throw new BrokerError(errorCode, 'DescribeQuorum', errorMessage)
  if (partition === undefined) throw new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, 'DescribeQuorum', null)
  if (partition.errorCode !== ErrorCodes.NONE) throw new BrokerError(partition.errorCode, 'DescribeQuorum', partition.errorMessage)
  return {
    leaderId: partition.leaderId,
    leaderEpoch: partition.leaderEpoch,
    voterIds: partition.currentVoters.map(({ replicaId }) => replicaId),
    endpoints: new Map(nodes.map(({ nodeId, listeners }) => [nodeId, listeners.map(({ host, port }) => ({ host, port }))]))
  }
}
