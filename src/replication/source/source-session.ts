/**
 * What a source broker remembers of the partitions that it is asked for over and over again (KIP-227): it is told what has changed
 * since the request before, and answers with what has something new. Thousands of idle partitions then cost nothing. A broker that
 * keeps no session, because it cannot or has too many, is told everything each time and answers everything.
 *
 *   none ──a full answer with an id──▶ kept ──▶ kept …
 *     ▲                                  │
 *     └── lost(): an error of the session, or an answer that never came
 *
 * Source: org.apache.kafka.clients.FetchSessionHandler, kafka.server.FetchSession.
 */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { Fetch } from '../../../protocol/messages/fetch.ts'
import type { RequestInput, ResponseOf } from '../../../protocol/schema/api.ts'

export type WantedTopic = RequestInput<typeof Fetch>['topics'][number]
export type WantedPartition = WantedTopic['partitions'][number]
export type FetchedRow = ResponseOf<typeof Fetch>['responses'][number]['partitions'][number]
type SessionFields = Required<Pick<RequestInput<typeof Fetch>, 'sessionId' | 'sessionEpoch' | 'topics' | 'forgottenTopicsData'>>

const INITIAL_EPOCH = 0
const MAX_EPOCH = 0x7fffffff

interface Remembered {
  readonly topic: string
  readonly topicId: string
  wanted: WantedPartition
  /** What the broker last said, without records; null before. */
  last: FetchedRow | null
}

export class SourceSession {
  #id = 0
  #epoch = INITIAL_EPOCH
  readonly #partitions = new Map<string, Remembered>()
  /** Those that a request has to name, or they are no longer wanted. */
  #loose = new Set<string>()

  /** True when the broker keeps a session, as far as is known: what its next answer leaves out has nothing new. */
  get isKept (): boolean {
    return this.#epoch !== INITIAL_EPOCH
  }

  /**
   * What to send when these partitions are wanted, and no others; with `andKept`, which takes a session that is kept, besides those that
   * `keep` was called for.
   */
  ask (topics: readonly WantedTopic[], { andKept = false }: { readonly andKept?: boolean } = {}): SessionFields {
    const isWhole = !this.isKept
    const unwanted = andKept ? this.#loose : new Set(this.#partitions.keys())
    this.#loose = new Set()
    const told: WantedTopic[] = []
    for (const { topic = '', topicId = '', partitions } of topics) {
      const changed: WantedPartition[] = []
      for (const wanted of partitions) {
        const key = keyOf(topic, topicId, wanted.partition)
        unwanted.delete(key)
        this.#loose.add(key)
        const known = this.#partitions.get(key)
        if (known === undefined) this.#partitions.set(key, { topic, topicId, wanted, last: null })
        else if (!isWhole && isSame(known.wanted, wanted)) continue
        else known.wanted = wanted
        changed.push(wanted)
      }
      if (changed.length > 0) told.push({ topic, topicId, partitions: changed })
    }
    const forgotten = new Map<string, { readonly topic: string, readonly topicId: string, readonly partitions: number[] }>()
    for (const key of unwanted) {
      const known = this.#partitions.get(key)
      this.#partitions.delete(key)
      if (known === undefined) continue
      const { topic, topicId, wanted: { partition } } = known
      const ofTopic = forgotten.get(`${topic}/${topicId}`)
      if (ofTopic === undefined) forgotten.set(`${topic}/${topicId}`, { topic, topicId, partitions: [partition] })
      else ofTopic.partitions.push(partition)
    }
    return { sessionId: this.#id, sessionEpoch: this.#epoch, topics: told, forgottenTopicsData: isWhole ? [] : [...forgotten.values()] }
  }

  /** A partition that was asked for stays as it is in the requests to come, without being named in them. */
  keep (topic: string, topicId: string, partition: number): void {
    this.#loose.delete(keyOf(topic, topicId, partition))
  }

  /** Takes `keep` back: what the next request does not name is no longer wanted. */
  unkeep (topic: string, topicId: string, partition: number): void {
    this.#loose.add(keyOf(topic, topicId, partition))
  }

  /** Takes a good answer. */
  answered ({ sessionId }: Pick<ResponseOf<typeof Fetch>, 'sessionId'>): void {
    // Also a broker that has just ended the session says 0.
    if (sessionId === 0) this.#end()
    else {
      this.#id = sessionId
      this.#epoch = this.#epoch === MAX_EPOCH ? 1 : this.#epoch + 1
    }
  }

  /** Keeps what a broker said of a partition. After an error it says something in any case. */
  note (topic: string, topicId: string, row: FetchedRow): void {
    const known = this.#partitions.get(keyOf(topic, topicId, row.partitionIndex))
    if (row.errorCode !== ErrorCodes.NONE || row.divergingEpoch.endOffset >= 0n) return
    // The records lie in memory that is used again.
    if (known !== undefined) known.last = { ...row, records: null }
  }

  /** What is still true of a partition that an answer has left out; null when nothing was said of it. */
  lastOf (topic: string, topicId: string, partition: number): FetchedRow | null {
    return this.#partitions.get(keyOf(topic, topicId, partition))?.last ?? null
  }

  /** The next request tells everything. The broker is still told which session that ends. */
  lost (): void {
    this.#epoch = INITIAL_EPOCH
    this.#partitions.clear()
    this.#loose.clear()
  }

  #end (): void {
    this.lost()
    this.#id = 0
  }
}

function keyOf (topic: string, topicId: string, partition: number): string {
  return `${topic}/${topicId}/${partition}`
}

function isSame (a: WantedPartition, b: WantedPartition): boolean {
  return a.fetchOffset === b.fetchOffset && a.currentLeaderEpoch === b.currentLeaderEpoch && a.lastFetchedEpoch === b.lastFetchedEpoch && a.partitionMaxBytes === b.partitionMaxBytes
}
