import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { CreateTopics } from '../../../protocol/messages/create-topics.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { apiError, errorFields, type ApiError } from '../api-error.ts'
import type { BrokerState } from '../broker-state.ts'
import { configProblem } from '../topics/config-definitions.ts'
import { topicConfigEntries } from '../topics/config-entries.ts'
import { MAX_PARTITIONS } from '../topics/topics.ts'
import { replicasProblem } from '../topics/replica-assignment.ts'

type Wanted = RequestOf<typeof CreateTopics>['topics'][number]
type Row = ResponseInput<typeof CreateTopics>['topics'][number]

export function createTopics (state: BrokerState, body: RequestOf<typeof CreateTopics>): ResponseInput<typeof CreateTopics> {
  const times = new Map<string, number>()
  for (const { name } of body.topics) times.set(name, (times.get(name) ?? 0) + 1)
  const unique = body.topics.filter((topic, index) => body.topics.findIndex(({ name }) => name === topic.name) === index)
  return { topics: unique.map(topic => create(state, topic, { isRepeated: (times.get(topic.name) ?? 0) > 1, validateOnly: body.validateOnly })) }
}

function create (state: BrokerState, wanted: Wanted, { isRepeated, validateOnly }: { readonly isRepeated: boolean, readonly validateOnly: boolean }): Row {
  const { name } = wanted
  const refusal = isRepeated
    ? apiError(ErrorCodes.INVALID_REQUEST, 'Duplicate topic name.')
    : state.topics.refusalToCreate(name) ?? shapeRefusal(wanted, state.nodeId) ?? configRefusal(wanted)
  if (refusal !== null) return { name, ...refusal }
  const overrides = new Map(wanted.configs.map(config => [config.name, config.value ?? '']))
  const numPartitions = partitionCount(wanted, state.defaultPartitions)
  const created = validateOnly ? null : state.topics.create(name, numPartitions, overrides)
  return {
    name,
    ...(created === null ? {} : { topicId: created.topicId }),
    ...errorFields(null),
    numPartitions,
    replicationFactor: 1,
    configs: topicConfigEntries(overrides).map(({ name, value, source }) => ({ name, value, readOnly: false, configSource: source, isSensitive: false }))
  }
}

function partitionCount ({ assignments, numPartitions }: Wanted, defaultPartitions: number): number {
  if (assignments.length > 0) return assignments.length
  return numPartitions === -1 ? defaultPartitions : numPartitions
}

function shapeRefusal ({ assignments, numPartitions, replicationFactor }: Wanted, nodeId: number): ApiError | null {
  if (assignments.length > 0) {
    if (replicationFactor !== -1) return apiError(ErrorCodes.INVALID_REQUEST, 'A manual partition assignment was specified, but replication factor was not set to -1.')
    if (numPartitions !== -1) return apiError(ErrorCodes.INVALID_REQUEST, 'A manual partition assignment was specified, but numPartitions was not set to -1.')
    const indexes = assignments.map(({ partitionIndex }) => partitionIndex).sort((a, b) => a - b)
    if (indexes.some((partitionIndex, position) => partitionIndex !== position)) {
      return apiError(ErrorCodes.INVALID_REPLICA_ASSIGNMENT, 'partitions should be a consecutive 0-based integer sequence')
    }
    const problem = assignments.map(({ brokerIds }) => replicasProblem(brokerIds, nodeId)).find(found => found !== null)
    return problem === undefined ? null : apiError(ErrorCodes.INVALID_REPLICA_ASSIGNMENT, problem)
  }
  if (replicationFactor < -1 || replicationFactor === 0) return apiError(ErrorCodes.INVALID_REPLICATION_FACTOR, 'Replication factor must be larger than 0, or -1 to use the default value.')
  if (numPartitions < -1 || numPartitions === 0) return apiError(ErrorCodes.INVALID_PARTITIONS, 'Number of partitions was set to an invalid non-positive value.')
  if (numPartitions > MAX_PARTITIONS) return apiError(ErrorCodes.INVALID_PARTITIONS, `at most ${MAX_PARTITIONS} partitions`)
  if (replicationFactor > 1) {
    return apiError(ErrorCodes.INVALID_REPLICATION_FACTOR, `Unable to replicate the partition ${replicationFactor} time(s): The target replication factor of ${replicationFactor} cannot be reached because only 1 broker(s) are registered.`)
  }
  return null
}

function configRefusal ({ configs }: Wanted): ApiError | null {
  const problem = configs.map(({ name, value }) => configProblem(name, value)).find(found => found !== null)
  return problem === undefined ? null : apiError(ErrorCodes.INVALID_CONFIG, problem)
}
