import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { WriteTxnMarkers } from '../../../protocol/messages/write-txn-markers.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { inRequestOrder, type Judge } from '../verdict.ts'

type TopicRow = RequestOf<typeof WriteTxnMarkers>['markers'][number]['topics'][number]
type TopicAnswer = ResponseInput<typeof WriteTxnMarkers>['markers'][number]['topics'][number]

/**
 * Refuses to write markers into read-only topics, as `kafka-transactions.sh abort` would. The code is the one for which Kafka's
 * admin client gives up at once; for most others it tries again.
 */
export const judgeWriteTxnMarkers: Judge<typeof WriteTxnMarkers> = (body, { rules }) => {
  const markers = body.markers.map(marker => ({
    marker,
    topics: marker.topics.map(topic => ({ topic, ours: rules.refusalOf(topic.name) === null ? null : refuse(topic) }))
  }))
  if (markers.every(({ topics }) => topics.every(({ ours }) => ours === null))) return null
  const allowed = markers
    .map(({ marker, topics }) => ({ ...marker, topics: topics.filter(({ ours }) => ours === null).map(({ topic }) => topic) }))
    .filter(marker => marker.topics.length > 0)
  // A broker answers with one row for a producer, whose topics go to the first row that asked for it.
  const answer = (answered: Map<bigint, readonly TopicAnswer[]>): ResponseInput<typeof WriteTxnMarkers> => ({
    markers: markers.map(({ marker: { producerId }, topics }) => {
      const theirs = answered.get(producerId) ?? []
      answered.delete(producerId)
      return { producerId, topics: inRequestOrder(topics.map(({ topic, ours }) => ({ key: topic.name, ours })), theirs, row => row.name) }
    })
  })
  if (allowed.length === 0) return { kind: 'answer', body: answer(new Map()) }
  return {
    kind: 'split',
    requests: [{ body: { ...body, markers: allowed } }],
    merge: ([theirs]) => answer(new Map(theirs?.markers.map(({ producerId, topics }) => [producerId, topics])))
  }
}

function refuse ({ name, partitionIndexes }: TopicRow): TopicAnswer {
  return {
    name,
    partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, errorCode: ErrorCodes.CLUSTER_AUTHORIZATION_FAILED }))
  }
}
