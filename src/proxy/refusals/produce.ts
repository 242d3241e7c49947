import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Produce } from '../../../protocol/messages/produce.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { splitRows, type Judge } from '../verdict.ts'

type TopicRow = RequestOf<typeof Produce>['topicData'][number]
type TopicAnswer = ResponseInput<typeof Produce>['responses'][number]

/** Refuses appends to read-only topics. Up to version 12: later ones name topics by their ids. */
export const judgeProduce: Judge<typeof Produce> = (body, { rules }) => splitRows<typeof Produce, TopicRow, TopicAnswer>({
  rows: body.topicData,
  keyOf: row => row.name,
  refuse (row) {
    const message = rules.refusalOf(row.name)
    return message === null ? null : refuseTopic(row, ErrorCodes.POLICY_VIOLATION, message)
  },
  request: allowed => ({ ...body, topicData: allowed }),
  answer: responses => ({ responses }),
  rowsOf: answer => answer.responses,
  answeredKeyOf: row => row.name ?? '',
  merge: (answer, responses) => ({ ...answer, responses })
})

/** The answer to a request in a version that is not offered: every row says so. Null for one that asks for none. */
export function refuseProduceVersion (body: RequestOf<typeof Produce>, message: string): ResponseInput<typeof Produce> | null {
  if (body.acks === 0) return null
  return { responses: body.topicData.map(row => refuseTopic(row, ErrorCodes.UNSUPPORTED_VERSION, message)) }
}

/** Keeps the key that the client used, name or id: a client that does not find its row may wait for it for ever. */
function refuseTopic ({ name, topicId, partitionData }: TopicRow, errorCode: number, errorMessage: string): TopicAnswer {
  return {
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1n, errorMessage }))
  }
}
