import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { DescribeLogDirs } from '../../../protocol/messages/describe-log-dirs.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'

/** What is shown for the folder of a broker that has none. */
const IN_MEMORY = '/memory'

export function describeLogDirs (state: BrokerState, body: RequestOf<typeof DescribeLogDirs>): ResponseInput<typeof DescribeLogDirs> {
  const wanted = body.topics === null ? null : new Map(body.topics.map(({ topic, partitions }) => [topic, new Set(partitions)]))
  const topics = state.topics.all.filter(({ name }) => wanted === null || wanted.has(name)).map(({ name, partitions }) => ({
    name,
    partitions: partitions
      .map((log, partitionIndex) => ({ partitionIndex, partitionSize: BigInt(log.sizeBytes), offsetLag: 0n, isFutureKey: false }))
      .filter(({ partitionIndex }) => wanted?.get(name)?.has(partitionIndex) !== false)
  }))
  return { throttleTimeMs: 0, results: [{ errorCode: ErrorCodes.NONE, logDir: state.dataDir ?? IN_MEMORY, topics }] }
}
