import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Produce } from '../../../protocol/messages/produce.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { BrokerError } from '../../errors.ts'
import type { BrokerState } from '../broker-state.ts'
import { validateRecords } from '../log/batch-validator.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { RequestContext } from '../server/dispatcher.ts'
import type { Topic } from '../topics/topics.ts'

type Request = RequestOf<typeof Produce>
type PartitionRow = ResponseInput<typeof Produce>['responses'][number]['partitionResponses'][number]
type RowError = Pick<PartitionRow, 'errorCode' | 'errorMessage' | 'recordErrors'>

/** From this version on topics are named by their ids. */
const MIN_VERSION_BY_ID = 13

/** Appends each partition's batch. @throws {BrokerError} for what goes wrong with acks=0: the connection is closed, which is all that can be said. */
export function produce (state: BrokerState, body: Request, context: RequestContext): ResponseInput<typeof Produce> | null {
  const responses = body.topicData.map(({ name, topicId, partitionData }) => {
    const topic = context.apiVersion >= MIN_VERSION_BY_ID ? state.topics.byId(topicId) : state.topics.byName(name)
    return {
      name,
      topicId,
      partitionResponses: partitionData.map(({ index, records }) => produceTo(state, { topic, index, records, request: body, context }))
    }
  })
  if (body.acks !== 0) return { responses }
  for (const { name, partitionResponses } of responses) {
    for (const { index, errorCode } of partitionResponses) {
      if (errorCode !== ErrorCodes.NONE) throw new BrokerError(errorCode, `Produce with acks=0 to ${name}-${index}`)
    }
  }
  return null
}

interface PartitionWrite {
  readonly topic: Topic | null
  readonly index: number
  readonly records: Buffer | null
  readonly request: Request
  readonly context: RequestContext
}

function produceTo (state: BrokerState, write: PartitionWrite): PartitionRow {
  const { topic, index, request, context } = write
  const log = topic?.partitions[index]
  if (![-1, 0, 1].includes(request.acks)) return failed(index, { errorCode: ErrorCodes.INVALID_REQUIRED_ACKS })
  if (topic === null && context.apiVersion >= MIN_VERSION_BY_ID) return failed(index, { errorCode: ErrorCodes.UNKNOWN_TOPIC_ID })
  if (topic === null || log === undefined) return failed(index, { errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION })
  if (request.acks === -1 && topic.config.minInsyncReplicas > 1) {
    return failed(index, { errorCode: ErrorCodes.NOT_ENOUGH_REPLICAS, errorMessage: `The size of the current ISR is 1, insufficient to satisfy min.insync.replicas ${topic.config.minInsyncReplicas}` })
  }
  try {
    return append(state, topic, log, write)
  } catch (error) {
    state.logger.error({ err: error, topic: topic.name, partition: index }, 'cannot write to the log')
    return failed(index, { errorCode: ErrorCodes.KAFKA_STORAGE_ERROR, errorMessage: 'the log could not be written' })
  }
}

function append (state: BrokerState, topic: Topic, log: PartitionLog, { index, records, request, context }: PartitionWrite): PartitionRow {
  const batch = validateRecords(records, { config: topic.config, now: state.now(), apiVersion: context.apiVersion })
  if ('errorCode' in batch) return failed(index, batch)
  if (batch.isTransactional) {
    if (request.transactionalId === null) return failed(index, { errorCode: ErrorCodes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED })
    const errorCode = state.transactions.checkAppend(request.transactionalId, batch, { topic: topic.name, partition: index })
    if (errorCode !== ErrorCodes.NONE) return failed(index, { errorCode })
  }
  const outcome = log.append(batch)
  if ('message' in outcome) return failed(index, { errorCode: outcome.errorCode, errorMessage: outcome.message })
  return {
    index,
    errorCode: ErrorCodes.NONE,
    baseOffset: BigInt(outcome.baseOffset),
    logAppendTimeMs: topic.config.isLogAppendTime ? BigInt(outcome.timestamp) : -1n,
    logStartOffset: BigInt(log.logStartOffset)
  }
}

function failed (index: number, error: RowError): PartitionRow {
  return { index, baseOffset: -1n, ...error }
}
