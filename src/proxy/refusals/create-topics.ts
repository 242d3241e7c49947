import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { CreateTopics } from '../../../protocol/messages/create-topics.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { splitRows, type Judge } from '../verdict.ts'

type TopicRow = RequestOf<typeof CreateTopics>['topics'][number]
type TopicAnswer = ResponseInput<typeof CreateTopics>['topics'][number]

/** Refuses to create topics that a link has made or may be about to make: a topic of the same name would block the link. */
export const judgeCreateTopics: Judge<typeof CreateTopics> = (body, { rules }) => splitRows<typeof CreateTopics, TopicRow, TopicAnswer>({
  rows: body.topics,
  keyOf: row => row.name,
  refuse (row) {
    const errorMessage = rules.creationRefusalOf(row.name)
    return errorMessage === null ? null : { name: row.name, errorCode: ErrorCodes.POLICY_VIOLATION, errorMessage }
  },
  request: topics => ({ ...body, topics }),
  answer: topics => ({ topics }),
  rowsOf: answer => answer.topics,
  answeredKeyOf: row => row.name,
  merge: (answer, topics) => ({ ...answer, topics })
})
