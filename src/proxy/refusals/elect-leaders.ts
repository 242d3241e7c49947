import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { ElectLeaders } from '../../../protocol/messages/elect-leaders.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { splitRows, type Judge } from '../verdict.ts'

type TopicRow = NonNullable<RequestOf<typeof ElectLeaders>['topicPartitions']>[number]
type TopicAnswer = ResponseInput<typeof ElectLeaders>['replicaElectionResults'][number]

const UNCLEAN = 1

/**
 * Refuses unclean elections for read-only topics: they can cut off what was acknowledged. Preferred ones change no data.
 * An unclean election of all partitions cannot be split, and there is always a read-only topic: that of kafka-shadow's state.
 */
export const judgeElectLeaders: Judge<typeof ElectLeaders> = (body, { rules }) => {
  if (body.electionType !== UNCLEAN) return null
  if (body.topicPartitions === null) return { kind: 'answer', body: { throttleTimeMs: 0, errorCode: ErrorCodes.POLICY_VIOLATION, replicaElectionResults: [] } }
  return splitRows<typeof ElectLeaders, TopicRow, TopicAnswer>({
    rows: body.topicPartitions,
    keyOf: row => row.topic,
    refuse (row) {
      const errorMessage = rules.refusalOf(row.topic)
      return errorMessage === null
        ? null
        : { topic: row.topic, partitionResult: row.partitions.map(partitionId => ({ partitionId, errorCode: ErrorCodes.POLICY_VIOLATION, errorMessage })) }
    },
    request: topicPartitions => ({ ...body, topicPartitions }),
    answer: replicaElectionResults => ({ throttleTimeMs: 0, replicaElectionResults }),
    rowsOf: answer => answer.replicaElectionResults,
    answeredKeyOf: row => row.topic,
    merge: (answer, replicaElectionResults) => ({ ...answer, replicaElectionResults })
  })
}
