import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { DeleteTopics } from '../../../protocol/messages/delete-topics.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { ZERO_UUID } from '../../../protocol/schema/field.ts'
import type { BrokerState } from '../broker-state.ts'
import type { RequestContext } from '../server/dispatcher.ts'

type Row = ResponseInput<typeof DeleteTopics>['responses'][number]

/** From this version on topics are named in `topics`, by name or by id. */
const MIN_VERSION_BY_ID = 6

export function deleteTopics (state: BrokerState, body: RequestOf<typeof DeleteTopics>, { apiVersion }: RequestContext): ResponseInput<typeof DeleteTopics> {
  const wanted = apiVersion >= MIN_VERSION_BY_ID ? body.topics : body.topicNames.map(name => ({ name, topicId: ZERO_UUID }))
  return { responses: wanted.map(({ name, topicId }) => remove(state, name, topicId)) }
}

function remove (state: BrokerState, name: string | null, topicId: string): Row {
  if (name !== null && topicId !== ZERO_UUID) return { name, topicId, errorCode: ErrorCodes.INVALID_REQUEST, errorMessage: 'You may not specify both topic name and topic id.' }
  const topic = name === null ? state.topics.byId(topicId) : state.topics.byName(name)
  if (topic === null) {
    return name === null
      ? { name, topicId, errorCode: ErrorCodes.UNKNOWN_TOPIC_ID, errorMessage: 'This server does not host this topic ID.' }
      : { name, topicId, errorCode: ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: 'This server does not host this topic-partition.' }
  }
  state.topics.delete(topic.name)
  state.offsets.removeTopic(topic.name)
  return { name: topic.name, topicId: topic.topicId, errorCode: ErrorCodes.NONE }
}
