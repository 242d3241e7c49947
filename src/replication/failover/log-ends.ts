import { ErrorCodes, errorName } from '../../../protocol/errors/codes.ts'
import type { PartitionRow } from '../../client/admin/ask-leaders.ts'
import { DEBUGGING_REPLICA_ID, LATEST_TIMESTAMP, listOffsets } from '../../client/admin/list-offsets.ts'
import type { Cluster } from '../../client/cluster.ts'

/**
 * Where partitions end, in the order of the rows: the end of the leader's log, once all replicas in sync have all of it. For one
 * whose end is not certain, in words why.
 * @throws {ShadowError} ABORTED; CLUSTER_UNAVAILABLE when there is no metadata
 */
export async function readLogEnds (cluster: Cluster, partitions: readonly PartitionRow[], { signal }: { readonly signal: AbortSignal }): Promise<ReadonlyArray<number | string>> {
  const rows = partitions.map(({ topic, partition }) => ({ topic, partition, timestamp: LATEST_TIMESTAMP }))
  // Only the second question makes sure that it is the leader who answers.
  const [logEnds, highWatermarks] = await Promise.all([listOffsets(cluster, rows, { signal, replicaId: DEBUGGING_REPLICA_ID }), listOffsets(cluster, rows, { signal })])
  return partitions.map(({ topic, partition }, index) => {
    const name = `${topic}-${partition}`
    const logEnd = logEnds[index]
    const highWatermark = highWatermarks[index]
    for (const answer of [logEnd, highWatermark]) {
      if (answer === undefined || answer.errorCode !== ErrorCodes.NONE) return `the end of ${name} cannot be read: ${answer?.error?.message ?? errorName(answer?.errorCode ?? ErrorCodes.UNKNOWN_SERVER_ERROR)}`
      if (answer.offset < 0) return `the end of ${name} cannot be read: ListOffsets was answered with offset ${answer.offset}`
    }
    if (logEnd === undefined || highWatermark === undefined) return `the end of ${name} cannot be read`
    if (logEnd.offset !== highWatermark.offset) return `the replicas of ${name} have confirmed offset ${highWatermark.offset} of ${logEnd.offset}`
    return logEnd.offset
  })
}
