/** Reads small pieces of many partitions: what is asked of a broker at about the same time shares a request. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { Coalesced } from '../coalesced.ts'
import type { Cluster } from '../cluster.ts'
import { fetchBatches, fetchBatchesOf, type BatchRequest, type FetchedBatches } from './fetch-batches.ts'

/** Of a whole answer. */
const MOST_BYTES = 8 * 1024 * 1024

export class BatchReader {
  readonly #cluster: Cluster
  readonly #signal: AbortSignal
  /** By what a request has to have in common: the broker, and whether topics are named by their ids. */
  readonly #questions = new Map<string, Coalesced<BatchRequest, FetchedBatches | Error>>()

  constructor (cluster: Cluster, { signal }: { readonly signal: AbortSignal }) {
    this.#cluster = cluster
    this.#signal = signal
  }

  /** See `fetchBatches`. */
  async read (request: BatchRequest): Promise<FetchedBatches> {
    const { leader: { leaderId }, topicId } = request
    const key = `${leaderId}/${topicId === null}`
    let questions = this.#questions.get(key)
    if (questions === undefined) this.#questions.set(key, questions = new Coalesced(requests => this.#ask(requests), { most: MOST_BYTES, weigh: ({ maxBytes }) => maxBytes }))
    const answer = await questions.request(request)
    if (answer instanceof Error) throw answer
    // Only the first partition of an answer is sure to get a whole batch (KIP-74): one that has something and got nothing is asked for by itself.
    const isShort = answer.errorCode === ErrorCodes.NONE && answer.batches.length === 0 && answer.highWatermark > request.offset
    return isShort ? await fetchBatches(this.#cluster, request, { signal: this.#signal }) : answer
  }

  /** A request names a partition once. */
  async #ask (requests: readonly BatchRequest[]): Promise<ReadonlyArray<FetchedBatches | Error>> {
    const named = new Set<string>()
    const first: BatchRequest[] = []
    const others: BatchRequest[] = []
    for (const request of requests) {
      const key = `${request.topic}/${request.partition}`
      if (named.has(key)) others.push(request)
      else first.push(request)
      named.add(key)
    }
    const answers = await fetchBatchesOf(this.#cluster, first, { signal: this.#signal })
    const byRequest = new Map(first.map((request, index) => [request, answers[index]]))
    if (others.length > 0) {
      const more = await this.#ask(others)
      others.forEach((request, index) => byRequest.set(request, more[index]))
    }
    return requests.map(request => byRequest.get(request) ?? new TypeError('a partition was not asked for'))
  }
}
