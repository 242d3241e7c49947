import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DescribeQuorum } from '../../../protocol/messages/describe-quorum.ts'
import type { RequestInput, ResponseOf } from '../../../protocol/schema/api.ts'
import { BrokerError } from '../../errors.ts'
import type { HostPort } from '../../net/host-port.ts'
import type { Controllers } from '../controllers.ts'
import { METADATA_PARTITION, METADATA_TOPIC } from '../metadata-topic.ts'

export interface QuorumView {
  readonly leaderId: number
  readonly leaderEpoch: number
  /** -1 where the leader has not found it out yet. */
  readonly highWatermark: number
  readonly voters: readonly QuorumReplica[]
  readonly observers: readonly QuorumReplica[]
  /** Where the voters listen, by their ids. Empty before version 2 (Kafka 3.9). */
  readonly endpoints: ReadonlyMap<number, readonly HostPort[]>
}

export interface QuorumReplica {
  readonly id: number
  readonly logEndOffset: number
}

export const DESCRIBE_QUORUM_BODY: RequestInput<typeof DescribeQuorum> = {
  topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: METADATA_PARTITION }] }]
}

/**
 * Asks the active controller.
 * @throws {ShadowError} as Controllers.request, and BrokerError
 */
export async function describeQuorum (controllers: Controllers, options: { readonly signal: AbortSignal, readonly deadlineMs?: number }): Promise<QuorumView> {
  const { body } = await controllers.request(DescribeQuorum, DESCRIBE_QUORUM_BODY, { ...options, purpose: 'command', idempotent: true, errorCodeOf: quorumErrorCode })
  return quorumView(body)
}

/** The code of the answer, or of its only partition. */
export function quorumErrorCode (body: ResponseOf<typeof DescribeQuorum>): number {
  return body.errorCode === ErrorCodes.NONE ? body.topics[0]?.partitions[0]?.errorCode ?? ErrorCodes.UNKNOWN_SERVER_ERROR : body.errorCode
}

/** @throws {BrokerError} what the answer says is wrong */
export function quorumView (body: ResponseOf<typeof DescribeQuorum>): QuorumView {
  const errorCode = quorumErrorCode(body)
  const partition = body.topics[0]?.partitions[0]
  if (errorCode !== ErrorCodes.NONE || partition === undefined) throw new BrokerError(errorCode, 'DescribeQuorum', body.errorMessage ?? partition?.errorMessage ?? null)
  return {
    leaderId: partition.leaderId,
    leaderEpoch: partition.leaderEpoch,
    highWatermark: Number(partition.highWatermark),
    voters: partition.currentVoters.map(replica),
    observers: partition.observers.map(replica),
    endpoints: new Map(body.nodes.map(({ nodeId, listeners }) => [nodeId, listeners.map(({ host, port }) => ({ host, port }))]))
  }
}

function replica ({ replicaId, logEndOffset }: { readonly replicaId: number, readonly logEndOffset: bigint }): QuorumReplica {
  return { id: replicaId, logEndOffset: Number(logEndOffset) }
}
