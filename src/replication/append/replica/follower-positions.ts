/** Where the followers of one shadow partition stand, and which of them keep up. A follower's fetch offset is the end of its log. */
import { abortedError, onAbort } from '../../../net/abort.ts'
import { type ShadowError } from '../../../errors.ts'

/** When a broker was last heard of, over one connection: every request counts, also one that a partition is only implied in. */
export interface FollowerContact {
  /** Milliseconds since 1970. */
  atMs: number
  /** Of the broker's registration, as it says itself (KIP-903); -1 where the version of Fetch does not tell. */
  brokerEpoch: number
}

export interface FollowerPosition {
  readonly fetchOffset: number
  /** Milliseconds since 1970 of the last request that this partition was part of. */
  readonly atMs: number
  /** See FollowerContact: a broker that has another one by now has been started anew since, and may have lost the end of its log. */
  readonly brokerEpoch: number
  /** The leader epoch of the last batch in the follower's log; -1 where there is none. Above 0 somebody else has led it. */
  readonly lastFetchedEpoch: number
}

export interface ToldPosition {
  readonly brokerId: number
  readonly fetchOffset: number
  readonly lastFetchedEpoch: number
  readonly contact: FollowerContact
}

/** How a follower keeps up with the one that has most. */
interface Pace {
  /** When it asked last, and how much the one with most had then. */
  askedAtMs: number
  highestThen: number
  /** Since when it has had less than that one; null while it has not. */
  behindSinceMs: number | null
}

interface Waiter {
  readonly isMet: () => boolean
  readonly settle: (error: ShadowError | null) => void
}

export class FollowerPositions {
  readonly #now: () => number
  readonly #timeoutMs: number
  readonly #isFenced: (brokerId: number) => boolean
  readonly #told = new Map<number, ToldPosition>()
  /** Milliseconds since 1970 when each was first seen where it stands. */
  readonly #movedAtMs = new Map<number, number>()
  readonly #paces = new Map<number, Pace>()
  readonly #waiters = new Set<Waiter>()

  /**
   * A follower that was not heard of for `timeoutMs` counts as gone, and one that was behind for as long does not keep up; nor does one
   * that the cluster knows to be gone.
   */
  constructor (now: () => number, timeoutMs: number, isFenced: (brokerId: number) => boolean) {
    this.#now = now
    this.#timeoutMs = timeoutMs
    this.#isFenced = isFenced
  }

  /** True when the offset is another one than before, or the follower new. */
  note (position: ToldPosition): boolean {
    const before = this.#told.get(position.brokerId)
    this.#told.set(position.brokerId, position)
    if (before?.fetchOffset === position.fetchOffset) return false
    this.#movedAtMs.set(position.brokerId, this.#now())
    for (const waiter of [...this.#waiters]) if (waiter.isMet()) waiter.settle(null)
    return true
  }

  /**
   * A follower of those that `among` has was noted. As in Kafka, it was level when it asked last if it has by now all that the others had
   * then (Replica.updateFetchStateOrThrow).
   */
  notePace (brokerId: number, among: ReadonlyMap<number, unknown>): void {
    const [nowMs, end, highest] = [this.#now(), this.of(brokerId) ?? 0, this.#highestPresent(among)]
    let pace = this.#paces.get(brokerId)
    if (pace === undefined) this.#paces.set(brokerId, pace = { askedAtMs: nowMs, highestThen: Infinity, behindSinceMs: null })
    if (end >= pace.highestThen) pace.behindSinceMs = pace.askedAtMs
    if (end >= highest) pace.behindSinceMs = null
    pace.askedAtMs = nowMs
    pace.highestThen = highest
    for (const [id, its] of this.#paces) if ((this.of(id) ?? 0) < highest) its.behindSinceMs ??= nowMs
  }

  /** Forgets those that have no replica any more. */
  keepOnly (brokerIds: readonly number[]): void {
    for (const brokerId of this.#told.keys()) {
      if (brokerIds.includes(brokerId)) continue
      this.#told.delete(brokerId)
      this.#paces.delete(brokerId)
    }
  }

  /** How many have been heard of. */
  get count (): number {
    return this.#told.size
  }

  get all (): ReadonlyMap<number, FollowerPosition> {
    return new Map([...this.#told].map(([brokerId, { fetchOffset, lastFetchedEpoch, contact: { atMs, brokerEpoch } }]) =>
      [brokerId, { fetchOffset, atMs, brokerEpoch, lastFetchedEpoch }]))
  }

  /** Where those stand that are alive. */
  get alive (): ToldPosition[] {
    const since = this.#now() - this.#timeoutMs
    const alive: ToldPosition[] = []
    for (const position of this.#told.values()) if (position.contact.atMs >= since) alive.push(position)
    return alive
  }

  /** The same, of those that `among` has. */
  aliveAmong (among: ReadonlyMap<number, unknown>): number[] {
    const since = this.#now() - this.#timeoutMs
    const offsets: number[] = []
    for (const [brokerId, { fetchOffset, contact }] of this.#told) if (contact.atMs >= since && among.has(brokerId)) offsets.push(fetchOffset)
    return offsets
  }

  /**
   * The lowest fetch offset of those of them that are alive and keep up, but for one; Infinity where there is none. Whoever has been
   * behind for long, such as a broker that comes back or a new replica of a large partition, counts again once it has come up with the
   * others.
   */
  lowestKeepingUp (among: ReadonlyMap<number, unknown>, except: number | null = null): number {
    const since = this.#now() - this.#timeoutMs
    const highest = this.#highestPresent(among)
    let lowest = Infinity
    for (const [brokerId, position] of this.#told) {
      if (brokerId === except || !this.#isPresent(position, among)) continue
      const behindSinceMs = this.#paces.get(brokerId)?.behindSinceMs ?? null
      if (position.fetchOffset >= highest || behindSinceMs === null || behindSinceMs >= since) lowest = Math.min(lowest, position.fetchOffset)
    }
    return lowest
  }

  #highestPresent (among: ReadonlyMap<number, unknown>): number {
    let highest = 0
    for (const position of this.#told.values()) if (this.#isPresent(position, among)) highest = Math.max(highest, position.fetchOffset)
    return highest
  }

  #isPresent ({ brokerId, contact }: ToldPosition, among: ReadonlyMap<number, unknown>): boolean {
    return contact.atMs >= this.#now() - this.#timeoutMs && among.has(brokerId) && !this.#isFenced(brokerId)
  }

  /** The fetch offsets of those that `among` has and that were elsewhere within the last `withinMs`. */
  movingAmong (among: ReadonlyMap<number, unknown>, withinMs: number): number[] {
    const since = this.#now() - withinMs
    const offsets: number[] = []
    for (const [brokerId, { fetchOffset }] of this.#told) if ((this.#movedAtMs.get(brokerId) ?? 0) >= since && among.has(brokerId)) offsets.push(fetchOffset)
    return offsets
  }

  /** The highest end of any follower's log, alive or not; 0 when none is known. */
  get highest (): number {
    let highest = 0
    for (const { fetchOffset } of this.#told.values()) highest = Math.max(highest, fetchOffset)
    return highest
  }

  of (brokerId: number): number | null {
    return this.#told.get(brokerId)?.fetchOffset ?? null
  }

  /**
   * Resolves when `test` holds for the fetch offset of each of these brokers, at once when it does already.
   * @throws {ShadowError} ABORTED, or the error of `rejectAll`
   */
  when (brokerIds: readonly number[], test: (fetchOffset: number) => boolean, signal: AbortSignal): Promise<void> {
    const isMet = (): boolean => brokerIds.every(brokerId => {
      const offset = this.of(brokerId)
      return offset !== null && test(offset)
    })
    if (signal.aborted) return Promise.reject(abortedError(signal))
    if (isMet()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        isMet,
        settle: error => {
          this.#waiters.delete(waiter)
          stop()
          if (error === null) resolve()
          else reject(error)
        }
      }
      const stop = onAbort(signal, () => waiter.settle(abortedError(signal)))
      this.#waiters.add(waiter)
    })
  }

  rejectAll (error: ShadowError): void {
    for (const waiter of [...this.#waiters]) waiter.settle(error)
  }
}
