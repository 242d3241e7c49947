/** AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn, and the two that describe transactions. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { AddOffsetsToTxn } from '../../../protocol/messages/add-offsets-to-txn.ts'
import type { AddPartitionsToTxn } from '../../../protocol/messages/add-partitions-to-txn.ts'
import type { DescribeTransactions } from '../../../protocol/messages/describe-transactions.ts'
import type { EndTxn } from '../../../protocol/messages/end-txn.ts'
import type { ListTransactions } from '../../../protocol/messages/list-transactions.ts'
import type { TxnOffsetCommit } from '../../../protocol/messages/txn-offset-commit.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'
import type { OffsetCommitRow } from '../groups/committed-offsets.ts'
import type { RequestContext } from '../server/dispatcher.ts'
import { commitRowError } from './group-offsets.ts'
import type { ProducerIdentity, TransactionState } from '../transactions/transactions.ts'

/** From this version of the transaction APIs on a fenced producer is told so by a code of its own. */
const MIN_FENCED_VERSION = 2

const STATES: readonly TransactionState[] = ['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort']

/** Older clients know only of epochs that are not valid any more. */
export function fencedCode (errorCode: number, isKnown: boolean): number {
  return errorCode === ErrorCodes.PRODUCER_FENCED && !isKnown ? ErrorCodes.INVALID_PRODUCER_EPOCH : errorCode
}

function identity (body: { readonly producerId: bigint, readonly producerEpoch: number }): ProducerIdentity {
  return { producerId: Number(body.producerId), producerEpoch: body.producerEpoch }
}

/** Up to version 3, which is what clients speak; the rest is between brokers. */
export function addPartitionsToTxn (state: BrokerState, body: RequestOf<typeof AddPartitionsToTxn>, { apiVersion }: RequestContext): ResponseInput<typeof AddPartitionsToTxn> {
  const wanted = body.v3AndBelowTopics.flatMap(({ name, partitions }) => partitions.map(partition => ({ topic: name, partition })))
  const isUnknown = (topic: string, partition: number): boolean => state.topics.partition(topic, partition) === null
  const hasUnknown = wanted.some(({ topic, partition }) => isUnknown(topic, partition))
  const producer = { producerId: Number(body.v3AndBelowProducerId), producerEpoch: body.v3AndBelowProducerEpoch }
  const errorCode = hasUnknown ? ErrorCodes.OPERATION_NOT_ATTEMPTED : fencedCode(state.transactions.addPartitions(body.v3AndBelowTransactionalId, producer, wanted), apiVersion >= MIN_FENCED_VERSION)
  return {
    throttleTimeMs: 0,
    resultsByTopicV3AndBelow: body.v3AndBelowTopics.map(({ name, partitions }) => ({
      name,
      resultsByPartition: partitions.map(partitionIndex => ({ partitionIndex, partitionErrorCode: isUnknown(name, partitionIndex) ? ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION : errorCode }))
    }))
  }
}

export function addOffsetsToTxn (state: BrokerState, body: RequestOf<typeof AddOffsetsToTxn>, { apiVersion }: RequestContext): ResponseInput<typeof AddOffsetsToTxn> {
  return { throttleTimeMs: 0, errorCode: fencedCode(state.transactions.addGroup(body.transactionalId, identity(body), body.groupId), apiVersion >= MIN_FENCED_VERSION) }
}

export function txnOffsetCommit (state: BrokerState, body: RequestOf<typeof TxnOffsetCommit>, { apiVersion }: RequestContext): ResponseInput<typeof TxnOffsetCommit> {
  const { groupId, memberId, generationId } = body
  // Whoever commits without saying as which member is not asked.
  const isMember = memberId !== '' || generationId >= 0
  const memberError = isMember ? state.groups.checkCommit(groupId, body, generationId) : ErrorCodes.NONE
  const rows = body.topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata }): OffsetCommitRow =>
    ({ topic: name, partition: partitionIndex, offset: Number(committedOffset), leaderEpoch: committedLeaderEpoch, metadata: committedMetadata ?? '' })))
  const rowError = (row: OffsetCommitRow): number => state.topics.partition(row.topic, row.partition) === null ? ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION : commitRowError(row)
  const acceptable = rows.filter(row => rowError(row) === ErrorCodes.NONE)
  const errorCode = memberError !== ErrorCodes.NONE
    ? memberError
    : fencedCode(state.transactions.commitOffsets(body.transactionalId, identity(body), groupId, acceptable), apiVersion >= MIN_FENCED_VERSION)
  const errors = new Map(rows.map(row => [`${row.topic}/${row.partition}`, rowError(row)]))
  return {
    throttleTimeMs: 0,
    topics: body.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        const own = errors.get(`${name}/${partitionIndex}`) ?? ErrorCodes.NONE
        return { partitionIndex, errorCode: own === ErrorCodes.NONE ? errorCode : own }
      })
    }))
  }
}

export function endTxn (state: BrokerState, body: RequestOf<typeof EndTxn>, { apiVersion }: RequestContext): ResponseInput<typeof EndTxn> {
  return { throttleTimeMs: 0, errorCode: fencedCode(state.transactions.end(body.transactionalId, identity(body), body.committed), apiVersion >= MIN_FENCED_VERSION) }
}

export function describeTransactions (state: BrokerState, { transactionalIds }: RequestOf<typeof DescribeTransactions>): ResponseInput<typeof DescribeTransactions> {
  return {
    throttleTimeMs: 0,
    transactionStates: transactionalIds.map(transactionalId => {
      const found = state.transactions.get(transactionalId)
      if (found === null) {
        return { errorCode: ErrorCodes.TRANSACTIONAL_ID_NOT_FOUND, transactionalId, transactionState: '', transactionTimeoutMs: 0, transactionStartTimeMs: -1n, producerId: -1n, producerEpoch: -1, topics: [] }
      }
      const topics = new Map<string, number[]>()
      for (const { topic, partition } of found.partitions) topics.set(topic, [...topics.get(topic) ?? [], partition])
      return {
        errorCode: ErrorCodes.NONE,
        transactionalId,
        transactionState: found.state,
        transactionTimeoutMs: found.timeoutMs,
        transactionStartTimeMs: BigInt(found.startedAtMs),
        producerId: BigInt(found.producerId),
        producerEpoch: found.producerEpoch,
        topics: [...topics].map(([topic, partitions]) => ({ topic, partitions }))
      }
    })
  }
}

export function listTransactions (state: BrokerState, body: RequestOf<typeof ListTransactions>): ResponseInput<typeof ListTransactions> {
  const { stateFilters, producerIdFilters, durationFilter } = body
  const isLongEnough = (startedAtMs: number): boolean => durationFilter < 0n || (startedAtMs >= 0 && state.now() - startedAtMs > Number(durationFilter))
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCodes.NONE,
    unknownStateFilters: stateFilters.filter(wanted => !STATES.some(known => known === wanted)),
    transactionStates: state.transactions.all
      .filter(found => stateFilters.length === 0 || stateFilters.includes(found.state))
      .filter(found => producerIdFilters.length === 0 || producerIdFilters.includes(BigInt(found.producerId)))
      .filter(found => isLongEnough(found.startedAtMs))
      .map(({ transactionalId, producerId, state: transactionState }) => ({ transactionalId, producerId: BigInt(producerId), transactionState }))
  }
}
