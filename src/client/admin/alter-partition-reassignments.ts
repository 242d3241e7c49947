import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { AlterPartitionReassignments } from '../../../protocol/messages/alter-partition-reassignments.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { ADMIN_TIMEOUT_MS } from './admin-timeout.ts'
import { askController } from './ask-controller.ts'
import { checkAnswer } from './check-answer.ts'
import type { PartitionRow } from './ask-leaders.ts'
import type { RowOutcome } from './error-row.ts'

export interface Reassignment extends PartitionRow {
  /** The brokers that are to hold it; null to cancel a reassignment that is under way. */
  readonly replicas: readonly number[] | null
}

/**
 * Begins to move partitions to other brokers (KIP-455); repeating it is harmless. One answer for every row, in their order.
 * A controller takes at most 10,000 partitions at a time.
 * @throws {BrokerError} when the request as a whole is refused
 */
export async function alterPartitionReassignments (cluster: Cluster, rows: readonly Reassignment[], { signal }: { readonly signal: AbortSignal }): Promise<ReadonlyArray<PartitionRow & RowOutcome>> {
  if (rows.length === 0) return []
  const byTopic = new Map<string, Reassignment[]>()
  for (const row of rows) {
    const known = byTopic.get(row.topic)
    if (known === undefined) byTopic.set(row.topic, [row])
    else known.push(row)
  }
  const answers = new Map<string, RowOutcome>()
  await askController(cluster, AlterPartitionReassignments, {
    timeoutMs: ADMIN_TIMEOUT_MS,
    topics: [...byTopic].map(([name, partitions]) => ({ name, partitions: partitions.map(({ partition, replicas }) => ({ partitionIndex: partition, replicas: replicas === null ? null : [...replicas] })) }))
  }, {
    signal,
    check: body => {
      checkAnswer(body, 'AlterPartitionReassignments')
      for (const { name, partitions } of body.responses) {
        for (const { partitionIndex, errorCode, errorMessage } of partitions) {
          const error = errorCode === ErrorCodes.NONE ? null : new BrokerError(errorCode, `AlterPartitionReassignments ${name}-${partitionIndex}`, errorMessage)
          answers.set(`${name}/${partitionIndex}`, { errorCode, error })
        }
      }
    }
  })
  return rows.map(({ topic, partition }) => {
    const what = `AlterPartitionReassignments ${topic}-${partition}`
    const outcome = answers.get(`${topic}/${partition}`) ?? { errorCode: ErrorCodes.UNKNOWN_SERVER_ERROR, error: new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, what, 'left out of the answer') }
    return { topic, partition, ...outcome }
  })
}
