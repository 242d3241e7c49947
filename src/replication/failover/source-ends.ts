/**
 * Where the partitions of topics end on the source, asked anew each time: nothing that was known before counts. Those who ask at
 * about the same time share the requests, however many topics they ask for.
 */
import { errorName, ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Cluster, ClusterView } from '../../client/cluster.ts'
import { ShadowError } from '../../errors.ts'
import { orAborted } from '../../net/abort.ts'
import { sleep } from '../../net/sleep.ts'
import type { TopicRecord } from '../../state/records.ts'
import { readLogEnds } from './log-ends.ts'

const GATHER_MS = 20

export interface SourceEndsOptions {
  readonly source: Cluster
  readonly signal: AbortSignal
  /** The clock of the source's views. */
  readonly now: () => number
  /** Throws when the source is not the cluster that the link was made for. */
  readonly checkSource: (view: ClusterView) => void
}

interface Question {
  readonly record: TopicRecord
  readonly resolve: (ends: readonly number[]) => void
  readonly reject: (error: unknown) => void
}

export class SourceEnds {
  readonly #options: SourceEndsOptions
  #waiting: Question[] = []
  #running: Promise<void> | null = null

  constructor (options: SourceEndsOptions) {
    this.#options = options
  }

  /**
   * The ends of all partitions that the topic has on the source now, in the order of the partitions: what was written and
   * confirmed, committed or not. Everything is asked after this call.
   * @throws {ShadowError} ABORTED, or in words why the source does not tell
   */
  async of (record: TopicRecord, { signal }: { readonly signal: AbortSignal }): Promise<readonly number[]> {
    const answer = new Promise<readonly number[]>((resolve, reject) => { this.#waiting.push({ record, resolve, reject }) })
    this.#running ??= this.#run()
    return await orAborted(answer, signal)
  }

  /** Does not throw: what goes wrong is told to those who asked. */
  async #run (): Promise<void> {
    while (this.#waiting.length > 0) {
      let questions: Question[] = []
      try {
        await sleep(GATHER_MS, this.#options.signal)
        questions = this.#waiting
        this.#waiting = []
        await this.#ask(questions)
      } catch (error) {
        if (questions.length === 0) questions = this.#waiting.splice(0)
        for (const { reject } of questions) reject(error)
      }
    }
    this.#running = null
  }

  async #ask (questions: readonly Question[]): Promise<void> {
    const { source, signal, checkSource } = this.#options
    const view = await this.#view()
    checkSource(view)
    const counts = questions.map(({ record }) => partitionsOf(view, record))
    const rows = questions.flatMap(({ record }, index) => {
      const count = counts[index]
      return Array.from({ length: typeof count === 'number' ? count : 0 }, (_, partition) => ({ topic: record.topic, partition }))
    })
    const ends = await readLogEnds(source, rows, { signal })
    let at = 0
    questions.forEach(({ resolve, reject }, index) => {
      const count = counts[index]
      if (typeof count !== 'number') {
        reject(new ShadowError('CLUSTER_UNAVAILABLE', count ?? 'the topic was not asked for', { retriable: true }))
        return
      }
      const own = ends.slice(at, at += count)
      const certain = own.filter(end => typeof end === 'number')
      if (certain.length === count) resolve(certain)
      else reject(new ShadowError('CLUSTER_UNAVAILABLE', own.find(end => typeof end === 'string') ?? 'partitions were left out of the answer', { retriable: true }))
    })
  }

  /** A view that was asked for after this call: `refresh` may share a question that is under way. */
  async #view (): Promise<ClusterView> {
    const { source, signal, now } = this.#options
    const askedAtMs = now()
    const view = await source.refresh({ signal })
    return view.atMs >= askedAtMs ? view : await source.refresh({ signal })
  }
}

/** How many partitions a topic has, or why that is not known. */
function partitionsOf (view: ClusterView, record: TopicRecord): number | string {
  const topic = view.topics.get(record.topic)
  if (topic === undefined) return 'the source does not show this topic any more'
  if (topic.errorCode !== ErrorCodes.NONE) return `the source does not show this topic: ${errorName(topic.errorCode)}`
  if (topic.topicId !== null && record.sourceTopicId !== null && topic.topicId !== record.sourceTopicId) return 'the source topic was deleted and made anew'
  return topic.partitions.length
}
