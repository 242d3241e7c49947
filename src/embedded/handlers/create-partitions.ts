import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { CreatePartitions } from '../../../protocol/messages/create-partitions.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { apiError, errorFields, type ApiError } from '../api-error.ts'
import type { BrokerState } from '../broker-state.ts'
import { MAX_PARTITIONS } from '../topics/topics.ts'
import { replicasProblem } from '../topics/replica-assignment.ts'

type Wanted = RequestOf<typeof CreatePartitions>['topics'][number]

export function createPartitions (state: BrokerState, body: RequestOf<typeof CreatePartitions>): ResponseInput<typeof CreatePartitions> {
  return {
    throttleTimeMs: 0,
    results: body.topics.map(wanted => {
      const error = refusal(state, wanted, body.topics)
      if (error === null && !body.validateOnly) state.topics.addPartitions(wanted.name, wanted.count)
      return { name: wanted.name, ...errorFields(error) }
    })
  }
}

function refusal (state: BrokerState, { name, count, assignments }: Wanted, all: readonly Wanted[]): ApiError | null {
  if (all.filter(other => other.name === name).length > 1) return apiError(ErrorCodes.INVALID_REQUEST, 'Duplicate topic name.')
  const topic = state.topics.byName(name)
  if (topic === null) return apiError(ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, 'This server does not host this topic-partition.')
  const has = topic.partitions.length
  if (count === has) return apiError(ErrorCodes.INVALID_PARTITIONS, `Topic already has ${has} partition(s).`)
  if (count < has) return apiError(ErrorCodes.INVALID_PARTITIONS, `The topic ${name} currently has ${has} partition(s); ${count} would not be an increase.`)
  if (count > MAX_PARTITIONS) return apiError(ErrorCodes.INVALID_PARTITIONS, `at most ${MAX_PARTITIONS} partitions`)
  if (assignments === null) return null
  if (assignments.length !== count - has) {
    return apiError(ErrorCodes.INVALID_REPLICA_ASSIGNMENT, `Attempted to add ${count - has} additional partition(s), but only ${assignments.length} assignment(s) were specified.`)
  }
  const problem = assignments.map(({ brokerIds }) => replicasProblem(brokerIds, state.nodeId)).find(found => found !== null)
  return problem === undefined ? null : apiError(ErrorCodes.INVALID_REPLICA_ASSIGNMENT, problem)
}
