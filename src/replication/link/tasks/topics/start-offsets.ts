/**
 * Where the copies of topics begin that are shadowed for the first time. It is decided once and recorded with the topic, so that every
 * engine does the same. Partitions that are added later begin with all that they have: nothing in them is older than the link.
 */
import { errorName, ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { LATEST_TIMESTAMP, listOffsets, type ListedOffset } from '../../../../client/admin/list-offsets.ts'
import type { Cluster, TopicView } from '../../../../client/cluster.ts'
import type { StartPosition } from '../../../../config/link/topic-sync-options.ts'
import { ShadowError } from '../../../../errors.ts'

/** See TopicRecord; an error where a partition does not tell. */
export type StartOffsets = readonly number[] | null | ShadowError

/**
 * By the names of the topics. `latest` is the source's high watermark. A time that no record has, or a later one has, is answered with
 * no offset at all: the copy then begins at the end, and not at 0.
 * @throws {ShadowError} ABORTED; CLUSTER_UNAVAILABLE when there is no metadata
 */
export async function decideStartOffsets (source: Cluster, topics: readonly TopicView[], start: StartPosition, { signal }: { readonly signal: AbortSignal }): Promise<ReadonlyMap<string, StartOffsets>> {
  if (start.at === 'earliest') return new Map(topics.map(({ name }) => [name, null]))
  const rows = topics.flatMap(({ name, partitions }) => partitions.map(({ partition }) => ({ topic: name, partition })))
  const ask = async (timestamp: number): Promise<readonly ListedOffset[]> => await listOffsets(source, rows.map(row => ({ ...row, timestamp })), { signal })
  // The ends come first: what is written after them is behind them.
  const ends = await ask(LATEST_TIMESTAMP)
  const found = start.at === 'latest' ? ends : await ask(start.ms)
  const decided = new Map<string, StartOffsets>()
  let at = 0
  for (const { name, partitions } of topics) {
    const offsets: number[] = []
    let failure: ShadowError | null = null
    for (const { partition } of partitions) {
      const [end, first] = [ends[at], found[at]]
      at++
      const failed = [end, first].find(row => row === undefined || row.errorCode !== ErrorCodes.NONE)
      const offset = first !== undefined && first.offset >= 0 ? first.offset : end?.offset ?? -1
      if (failed !== undefined || offset < 0 || partition !== offsets.length) {
        failure ??= new ShadowError('CLUSTER_UNAVAILABLE', `where partition ${partition} is to begin (start_at_${start.at}) the source does not tell: ${failed?.error?.message ?? errorName(failed?.errorCode ?? ErrorCodes.UNKNOWN_SERVER_ERROR)}`, { retriable: true })
      }
      offsets.push(offset)
    }
    decided.set(name, failure ?? offsets)
  }
  return decided
}
