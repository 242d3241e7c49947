import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Metadata } from '../../../protocol/messages/metadata.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { ZERO_UUID } from '../../../protocol/schema/field.ts'
import type { BrokerState } from '../broker-state.ts'
import type { RequestContext } from '../server/dispatcher.ts'
import { topicNameProblem } from '../topics/topic-name.ts'
import type { Topic } from '../topics/topics.ts'

type TopicRow = ResponseInput<typeof Metadata>['topics'][number]

/** From this version on a topic can be asked for by its id, and the name in an answer may be null. */
const MIN_VERSION_BY_ID = 12

export function metadata (state: BrokerState, body: RequestOf<typeof Metadata>, { apiVersion }: RequestContext): ResponseInput<typeof Metadata> {
  const { nodeId, clusterId } = state
  const { host, port } = state.advertised()
  // In version 0 an empty list means all topics.
  const wanted = apiVersion === 0 && body.topics?.length === 0 ? null : body.topics
  return {
    brokers: [{ nodeId, host, port }],
    clusterId,
    controllerId: nodeId,
    topics: wanted === null
      ? state.topics.all.map(topic => describe(topic, nodeId))
      : wanted.map(row => find(state, row, { apiVersion, mayCreate: body.allowAutoTopicCreation }))
  }
}

function find (state: BrokerState, { name, topicId }: { readonly name: string | null, readonly topicId: string }, options: { readonly apiVersion: number, readonly mayCreate: boolean }): TopicRow {
  if (name === null || (topicId !== ZERO_UUID && options.apiVersion >= MIN_VERSION_BY_ID)) {
    const topic = state.topics.byId(topicId)
    if (topic !== null) return describe(topic, state.nodeId)
    return { errorCode: ErrorCodes.UNKNOWN_TOPIC_ID, name: options.apiVersion >= MIN_VERSION_BY_ID ? null : '', topicId, partitions: [] }
  }
  const topic = state.topics.byName(name)
  if (topic !== null) return describe(topic, state.nodeId)
  if (topicNameProblem(name) !== null) return { errorCode: ErrorCodes.INVALID_TOPIC_EXCEPTION, name, partitions: [] }
  if (state.autoCreateTopics && options.mayCreate) {
    const refusal = state.topics.refusalToCreate(name)
    if (refusal !== null) return { errorCode: refusal.errorCode, name, partitions: [] }
    return describe(state.topics.create(name, state.defaultPartitions, new Map()), state.nodeId)
  }
  return { errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, name, partitions: [] }
}

function describe ({ name, topicId, partitions }: Topic, nodeId: number): TopicRow {
  return {
    errorCode: ErrorCodes.NONE,
    name,
    topicId,
    partitions: partitions.map(({ leaderEpoch }, partitionIndex) => ({
      errorCode: ErrorCodes.NONE,
      partitionIndex,
      leaderId: nodeId,
      leaderEpoch,
      replicaNodes: [nodeId],
      isrNodes: [nodeId]
    }))
  }
}
