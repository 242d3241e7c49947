import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { DeleteRecords } from '../../../protocol/messages/delete-records.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { splitRows, type Judge } from '../verdict.ts'

type TopicRow = RequestOf<typeof DeleteRecords>['topics'][number]
type TopicAnswer = ResponseInput<typeof DeleteRecords>['topics'][number]

/** Refuses to move the log start of read-only topics. The answer has no room for words. */
export const judgeDeleteRecords: Judge<typeof DeleteRecords> = (body, { rules }) => splitRows<typeof DeleteRecords, TopicRow, TopicAnswer>({
  rows: body.topics,
  keyOf: row => row.name,
  refuse: row => rules.refusalOf(row.name) === null
    ? null
    : {
        name: row.name,
        partitions: row.partitions.map(({ partitionIndex }) => ({ partitionIndex, lowWatermark: -1n, errorCode: ErrorCodes.POLICY_VIOLATION }))
      },
  request: topics => ({ ...body, topics }),
  answer: topics => ({ throttleTimeMs: 0, topics }),
  rowsOf: answer => answer.topics,
  answeredKeyOf: row => row.name,
  merge: (answer, topics) => ({ ...answer, topics })
})
