/** The messages that the codecs are measured with. */
import type { Fetch } from '../../protocol/messages/fetch.ts'
import type { Metadata } from '../../protocol/messages/metadata.ts'
import { buildBatch, type RecordInput } from '../../protocol/records/build-batch.ts'
import type { ResponseInput } from '../../protocol/schema/api.ts'
import { Random } from '../../test/support/random.ts'

export const BROKERS = 6
export const TOPICS = 50
export const PARTITIONS_PER_TOPIC = 12
export const FETCHED_PARTITIONS = 4
export const BATCHES_PER_PARTITION = 4

const TIMESTAMP = 1_700_000_000_000

/** A cluster of some size: 27 KB in version 12. */
export function metadataResponse (): ResponseInput<typeof Metadata> {
  return {
    brokers: Array.from({ length: BROKERS }, (_, index) => ({ nodeId: index + 1, host: `broker-${index + 1}.kafka.example.com`, port: 9092, rack: `zone-${index % 3}` })),
    clusterId: 'kafka-shadow-bench',
    controllerId: 1,
    topics: Array.from({ length: TOPICS }, (_, topic) => ({
      errorCode: 0,
      name: `department-${topic % 7}.events-${topic}`,
      topicId: Buffer.alloc(16, topic + 1).toString('base64url'),
      partitions: Array.from({ length: PARTITIONS_PER_TOPIC }, (_, partitionIndex) => {
        const replicaNodes = [0, 1, 2].map(replica => (topic + partitionIndex + replica) % BROKERS + 1)
        return { errorCode: 0, partitionIndex, leaderId: replicaNodes[0] ?? -1, leaderEpoch: 7, replicaNodes, isrNodes: replicaNodes }
      })
    }))
  }
}

/** Records with a key of 16 bytes, one header, and values that no codec makes smaller. */
export function sampleRecords (count: number, valueBytes: number, seed = 1): RecordInput[] {
  const random = new Random(seed)
  return Array.from({ length: count }, (_, index) => ({
    timestamp: TIMESTAMP + index,
    key: Buffer.from(`key-${String(index).padStart(12, '0')}`),
    value: random.bytes(valueBytes),
    headers: [{ key: 'trace', value: Buffer.from('0123456789abcdef') }]
  }))
}

/** What a busy topic answers: a few batches from each of a few partitions. */
export function fetchResponse (recordsPerBatch: number, valueBytes: number): ResponseInput<typeof Fetch> {
  return {
    responses: [{
      topic: 'department-1.events-1',
      topicId: Buffer.alloc(16, 1).toString('base64url'),
      partitions: Array.from({ length: FETCHED_PARTITIONS }, (_, partitionIndex) => ({
        partitionIndex,
        errorCode: 0,
        highWatermark: 1_000_000n,
        lastStableOffset: 1_000_000n,
        logStartOffset: 0n,
        records: Buffer.concat(Array.from({ length: BATCHES_PER_PARTITION }, (_, batch) =>
          buildBatch({ baseOffset: 1000 + batch * recordsPerBatch, records: sampleRecords(recordsPerBatch, valueBytes, batch + 1) })))
      }))
    }]
  }
}
