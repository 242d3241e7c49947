/** Requests with one row for each partition, sent to the brokers that lead them. */
import { ErrorCodes, meansStaleMetadata } from '../../../protocol/errors/codes.ts'
import { BrokerError, ShadowError } from '../../errors.ts'
import { throwIfAborted } from '../../net/abort.ts'
import type { Cluster, ClusterView, PartitionView } from '../cluster.ts'
import { partitionOf } from '../cluster-view.ts'
import { failedRow, type RowOutcome } from './error-row.ts'

export interface PartitionRow {
  readonly topic: string
  readonly partition: number
}

/** A row that is sent, with the leader that it is sent to. */
export interface LedRow<R extends PartitionRow> {
  readonly row: R
  readonly leader: PartitionView
}

/** What a broker answered for a partition. */
export interface PartitionAnswer<A> {
  readonly topic: string
  readonly partition: number
  readonly answer: A
}

/** Who leads a partition, for those who know it from elsewhere than the cluster's Metadata; null where nobody knows. */
export type LeaderLookup = (row: PartitionRow) => PartitionView | null

export interface AskLeadersOptions {
  readonly signal: AbortSignal
  /** Default: the cluster's metadata, which is refreshed when it is old. */
  readonly leaderOf?: LeaderLookup
}

export interface AskLeaders<R extends PartitionRow, A extends RowOutcome> {
  /** Sends one request. No partition is in it twice. */
  readonly ask: (nodeId: number, rows: ReadonlyArray<LedRow<R>>) => Promise<ReadonlyArray<PartitionAnswer<A>>>
  /** Makes the answer for a row that has none. */
  readonly failed: (outcome: RowOutcome) => A
}

/**
 * The answers in the order of the rows, and one for every row: a broker that fails makes its own rows fail and no others.
 * Metadata that was used is refreshed afterwards when an answer says that it is old; the answer is what it is all the same.
 * @throws {ShadowError} ABORTED, or CLUSTER_UNAVAILABLE when there is no metadata at all
 */
export async function askLeaders<R extends PartitionRow, A extends RowOutcome> (cluster: Cluster, rows: readonly R[], { ask, failed }: AskLeaders<R, A>, { signal, leaderOf }: AskLeadersOptions): Promise<A[]> {
  if (rows.length === 0) return []
  const view = leaderOf === undefined ? await viewFor(cluster, rows, signal) : null
  const lookUp = leaderOf ?? (({ topic, partition }) => partitionOf(view?.topics.get(topic), partition))
  const answers = new Array<A | undefined>(rows.length)
  const requests = groupByLeader(view, lookUp, rows, (index, code, what) => {
    answers[index] = failed({ errorCode: code, error: new BrokerError(code, what) })
  })
  await Promise.all(requests.map(async ({ nodeId, indexes, led }) => {
    const byPartition = new Map<string, A>()
    let outcome: RowOutcome | null = null
    try {
      for (const { topic, partition, answer } of await ask(nodeId, led)) byPartition.set(`${topic}/${partition}`, answer)
    } catch (error) {
      throwIfAborted(signal)
      if (!(error instanceof Error)) throw error
      outcome = failedRow(error)
    }
    led.forEach(({ row }, place) => {
      const index = indexes[place]
      if (index === undefined) return
      answers[index] = byPartition.get(`${row.topic}/${row.partition}`) ?? failed(outcome ?? leftOut(nodeId, row))
    })
  }))
  const complete = answers.map(answer => answer ?? failed(failedRow(new ShadowError('INVARIANT', 'a row was not asked for'))))
  if (view !== null && complete.some(({ errorCode }) => meansStaleMetadata(errorCode) || errorCode === ErrorCodes.UNKNOWN_LEADER_EPOCH)) {
    // The answers do not depend on it; a failure shows where metadata is needed next.
    await cluster.refresh({ signal }).catch(() => {})
    throwIfAborted(signal)
  }
  return complete
}

/** A partition that the view does not have may be a new one. */
async function viewFor (cluster: Cluster, rows: readonly PartitionRow[], signal: AbortSignal): Promise<ClusterView> {
  const view = await cluster.view({ signal })
  const isComplete = rows.every(({ topic, partition }) => (partitionOf(view.topics.get(topic), partition)?.leaderId ?? -1) >= 0)
  return isComplete ? view : await cluster.refresh({ signal })
}

interface LeaderRequest<R extends PartitionRow> {
  readonly nodeId: number
  readonly indexes: number[]
  readonly led: Array<LedRow<R>>
}

/** One request for each leader; a further one for each repetition of a partition, which a broker would refuse within one. */
function groupByLeader<R extends PartitionRow> (view: ClusterView | null, leaderOf: LeaderLookup, rows: readonly R[], refuse: (index: number, code: number, what: string) => void): Array<LeaderRequest<R>> {
  const requests = new Map<string, LeaderRequest<R>>()
  const seen = new Map<string, number>()
  rows.forEach((row, index) => {
    const leader = leaderOf(row)
    const name = `${row.topic}-${row.partition}`
    if (leader === null) {
      const topic = view?.topics.get(row.topic)
      refuse(index, topic === undefined || topic.errorCode === ErrorCodes.NONE ? ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION : topic.errorCode, `Metadata ${name}`)
      return
    }
    if (leader.leaderId < 0) {
      refuse(index, ErrorCodes.LEADER_NOT_AVAILABLE, `Metadata ${name}`)
      return
    }
    const repetition = seen.get(name) ?? 0
    seen.set(name, repetition + 1)
    const key = `${leader.leaderId}/${repetition}`
    let request = requests.get(key)
    if (request === undefined) requests.set(key, request = { nodeId: leader.leaderId, indexes: [], led: [] })
    request.indexes.push(index)
    request.led.push({ row, leader })
  })
  return [...requests.values()]
}

function leftOut (nodeId: number, { topic, partition }: PartitionRow): RowOutcome {
  return failedRow(new ShadowError('BROKER_ERROR', `broker ${nodeId} left ${topic}-${partition} out of its answer`))
}

/** Rows as requests have them: by topic. */
export function byTopic<R extends PartitionRow> (led: ReadonlyArray<LedRow<R>>): Map<string, Array<LedRow<R>>> {
  const topics = new Map<string, Array<LedRow<R>>>()
  for (const row of led) {
    const known = topics.get(row.row.topic)
    if (known === undefined) topics.set(row.row.topic, [row])
    else known.push(row)
  }
  return topics
}
