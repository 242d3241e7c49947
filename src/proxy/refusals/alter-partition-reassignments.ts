import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { AlterPartitionReassignments } from '../../../protocol/messages/alter-partition-reassignments.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { splitRows, type Judge } from '../verdict.ts'

type TopicRow = RequestOf<typeof AlterPartitionReassignments>['topics'][number]
type TopicAnswer = ResponseInput<typeof AlterPartitionReassignments>['responses'][number]

/** Refuses to move partitions of read-only topics. */
export const judgeAlterPartitionReassignments: Judge<typeof AlterPartitionReassignments> = (body, { rules }) => splitRows<typeof AlterPartitionReassignments, TopicRow, TopicAnswer>({
  rows: body.topics,
  keyOf: row => row.name,
  refuse (row) {
    const errorMessage = rules.refusalOf(row.name)
    return errorMessage === null
      ? null
      : { name: row.name, partitions: row.partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: ErrorCodes.POLICY_VIOLATION, errorMessage })) }
  },
  request: topics => ({ ...body, topics }),
  answer: responses => ({ throttleTimeMs: 0, allowReplicationFactorChange: body.allowReplicationFactorChange, errorCode: 0, errorMessage: null, responses }),
  rowsOf: answer => answer.responses,
  answeredKeyOf: row => row.name,
  merge: (answer, responses) => ({ ...answer, responses })
})
