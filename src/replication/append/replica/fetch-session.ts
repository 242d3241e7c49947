/**
 * The partitions that one fetcher thread of a follower asks for, and what it was told of each (KIP-227). A session knows which
 * partitions may have something new: the others cost nothing, however many there are.
 *
 * A request that is part of no session has one of its own, for as long as it is being answered.
 */
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import type { Fetch } from '../../../../protocol/messages/fetch.ts'
import type { RequestOf } from '../../../../protocol/schema/api.ts'
import type { FollowerContact } from './follower-positions.ts'
import type { FetchLook, PartitionWatcher } from './follower-fetch.ts'
import type { ShadowPartition } from './shadow-partition.ts'
import type { ShadowPartitions } from './shadow-partitions.ts'

export type FetchRequestBody = RequestOf<typeof Fetch>
type WantedPartition = FetchRequestBody['topics'][number]['partitions'][number]

const MAX_EPOCH = 0x7fffffff

/** After so long without a request a partition may have taken the follower for gone. */
const LONG_SILENCE_MS = 3000

export interface SessionOptions {
  /** 0 for a request that is part of no session. */
  readonly id: number
  readonly brokerId: number
  readonly usesTopicIds: boolean
  readonly partitions: ShadowPartitions
  readonly now: () => number
}

/** One partition of a session: where the follower stands, and what it was told last. */
export class SessionPartition implements PartitionWatcher {
  readonly topic: string
  readonly topicId: string
  readonly index: number
  maxBytes = 0
  fetchOffset = 0
  /** What the last answer said, -1 where it must be said again. */
  sentHighWatermark = -1
  sentLogStartOffset = -1
  readonly #session: FetchSession
  #wanted: WantedPartition
  #shadow: ShadowPartition | null = null
  #unwatch: () => void = () => {}

  constructor (session: FetchSession, topic: { readonly topic: string, readonly topicId: string }, wanted: WantedPartition) {
    this.#session = session
    this.topic = topic.topic
    this.topicId = topic.topicId
    this.index = wanted.partition
    this.#wanted = wanted
    this.update(wanted)
  }

  get isWaiting (): boolean {
    return this.#session.isBusy
  }

  get shadow (): ShadowPartition | null {
    return this.#shadow
  }

  update (wanted: WantedPartition): void {
    this.#wanted = wanted
    this.fetchOffset = Number(wanted.fetchOffset)
    this.maxBytes = wanted.partitionMaxBytes
  }

  changed (): void {
    this.#session.markDirty(this)
  }

  look (limits: { readonly maxBytes: number, readonly atLeastOne: boolean }): FetchLook {
    const shadow = this.#resolve()
    if (shadow === null) return { kind: 'error', errorCode: this.#unknown, leaderEpoch: null }
    const { currentLeaderEpoch, lastFetchedEpoch, logStartOffset } = this.#wanted
    const { brokerId, contact } = this.#session
    return shadow.look({ brokerId, contact, currentLeaderEpoch, lastFetchedEpoch, fetchOffset: this.fetchOffset, logStartOffset: Number(logStartOffset) }, limits)
  }

  forget (): void {
    this.#unwatch()
    this.#shadow = null
  }

  /** Anew each time: a partition may be made, or made anew, at any time. */
  #resolve (): ShadowPartition | null {
    const { usesTopicIds, partitions } = this.#session
    const shadow = usesTopicIds ? partitions.byId(this.topicId, this.index) : partitions.byName(this.topic, this.index)
    if (shadow === this.#shadow) return shadow
    this.#unwatch()
    this.#shadow = shadow
    this.#unwatch = shadow === null ? () => {} : shadow.watch(this)
    return shadow
  }

  get #unknown (): number {
    const { usesTopicIds, partitions } = this.#session
    if (usesTopicIds) return partitions.nameOf(this.topicId) === null ? ErrorCodes.UNKNOWN_TOPIC_ID : ErrorCodes.NOT_LEADER_OR_FOLLOWER
    return partitions.knows(this.topic) ? ErrorCodes.NOT_LEADER_OR_FOLLOWER : ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION
  }
}

export class FetchSession {
  readonly id: number
  readonly brokerId: number
  readonly usesTopicIds: boolean
  readonly partitions: ShadowPartitions
  readonly contact: FollowerContact
  /** What the next request must have. */
  epoch = 1
  /** True while a request is being answered. */
  isBusy = false
  /** Those that may have something to tell, the ones that were served longest ago first. */
  readonly dirty = new Set<SessionPartition>()
  readonly #all = new Map<string, SessionPartition>()
  readonly #now: () => number
  #onDirty: () => void = () => {}

  constructor ({ id, brokerId, usesTopicIds, partitions, now }: SessionOptions) {
    this.id = id
    this.brokerId = brokerId
    this.usesTopicIds = usesTopicIds
    this.partitions = partitions
    this.#now = now
    this.contact = { atMs: now(), brokerEpoch: -1 }
  }

  get all (): Iterable<SessionPartition> {
    return this.#all.values()
  }

  get size (): number {
    return this.#all.size
  }

  /** Takes what a request says: partitions that are new or have moved, and those that are not wanted any more. */
  update ({ topics, forgottenTopicsData, replicaState }: FetchRequestBody): void {
    const now = this.#now()
    if (now - this.contact.atMs >= LONG_SILENCE_MS) for (const partition of this.#all.values()) this.dirty.add(partition)
    this.contact.atMs = now
    this.contact.brokerEpoch = Number(replicaState.replicaEpoch)
    for (const topic of forgottenTopicsData) {
      for (const index of topic.partitions) this.#forget(this.#keyOf(topic, index))
    }
    for (const topic of topics) {
      for (const wanted of topic.partitions) {
        const key = this.#keyOf(topic, wanted.partition)
        let partition = this.#all.get(key)
        if (partition === undefined) this.#all.set(key, partition = new SessionPartition(this, topic, wanted))
        else partition.update(wanted)
        this.dirty.add(partition)
      }
    }
  }

  /** The request was the one that was expected. */
  advance (): void {
    this.epoch = this.epoch === MAX_EPOCH ? 1 : this.epoch + 1
  }

  markDirty (partition: SessionPartition): void {
    this.dirty.add(partition)
    this.#onDirty()
  }

  /** Calls back whenever there may be something to tell, until it is given something else. */
  whenDirty (callback: () => void): void {
    this.#onDirty = callback
  }

  close (): void {
    for (const key of [...this.#all.keys()]) this.#forget(key)
    this.#onDirty = () => {}
  }

  #keyOf ({ topic, topicId }: { readonly topic: string, readonly topicId: string }, index: number): string {
    return `${this.usesTopicIds ? topicId : topic}/${index}`
  }

  #forget (key: string): void {
    const partition = this.#all.get(key)
    if (partition === undefined) return
    this.#all.delete(key)
    this.dirty.delete(partition)
    partition.forget()
  }
}
