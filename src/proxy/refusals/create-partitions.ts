import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { CreatePartitions } from '../../../protocol/messages/create-partitions.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { splitRows, type Judge } from '../verdict.ts'

type TopicRow = RequestOf<typeof CreatePartitions>['topics'][number]
type TopicAnswer = ResponseInput<typeof CreatePartitions>['results'][number]

/** Refuses to add partitions to read-only topics, which have as many as the source; also when it is only to be validated. */
export const judgeCreatePartitions: Judge<typeof CreatePartitions> = (body, { rules }) => splitRows<typeof CreatePartitions, TopicRow, TopicAnswer>({
  rows: body.topics,
  keyOf: row => row.name,
  refuse (row) {
    const errorMessage = rules.refusalOf(row.name)
    return errorMessage === null ? null : { name: row.name, errorCode: ErrorCodes.POLICY_VIOLATION, errorMessage }
  },
  request: topics => ({ ...body, topics }),
  answer: results => ({ throttleTimeMs: 0, results }),
  rowsOf: answer => answer.results,
  answeredKeyOf: row => row.name,
  merge: (answer, results) => ({ ...answer, results })
})
