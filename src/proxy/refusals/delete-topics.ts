import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { DeleteTopics } from '../../../protocol/messages/delete-topics.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { splitRows, type Judge } from '../verdict.ts'

type TopicAnswer = ResponseInput<typeof DeleteTopics>['responses'][number]

/** Refuses to remove read-only topics. Up to version 5: later ones may name topics by their ids. */
export const judgeDeleteTopics: Judge<typeof DeleteTopics> = (body, { rules }) => splitRows<typeof DeleteTopics, string, TopicAnswer>({
  rows: body.topicNames,
  keyOf: name => name,
  refuse (name) {
    const errorMessage = rules.refusalOf(name)
    return errorMessage === null ? null : { name, errorCode: ErrorCodes.POLICY_VIOLATION, errorMessage }
  },
  request: topicNames => ({ ...body, topicNames }),
  answer: responses => ({ responses }),
  rowsOf: answer => answer.responses,
  answeredKeyOf: row => row.name ?? '',
  merge: (answer, responses) => ({ ...answer, responses })
})

/** The answer to a request in a version that is not offered: every row says so. */
export function refuseDeleteTopicsVersion (body: RequestOf<typeof DeleteTopics>, errorMessage: string): ResponseInput<typeof DeleteTopics> {
  return { responses: body.topics.map(({ name, topicId }) => ({ name, topicId, errorCode: ErrorCodes.UNSUPPORTED_VERSION, errorMessage })) }
}
