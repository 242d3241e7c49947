/** Where the followers of one shadow partition stand. A follower's fetch offset is the end of its log. */
import { abortedError, onAbort } from '../../../net/abort.ts'
import { type ShadowError } from '../../../errors.ts'

/** When a broker was last heard of, over one connection: every request counts, also one that a partition is only implied in. */
export interface FollowerContact {
  /** Milliseconds since 1970. */
  atMs: number
}

export interface FollowerPosition {
  readonly fetchOffset: number
  /** Milliseconds since 1970 of the last request that this partition was part of. */
  readonly atMs: number
  /** Of the broker's registration; -1 where the version of Fetch does not tell. */
  readonly brokerEpoch: number
  /** The leader epoch of the last batch in the follower's log; -1 where there is none. Above 0 somebody else has led it. */
  readonly lastFetchedEpoch: number
}

export interface ToldPosition {
  readonly brokerId: number
  readonly fetchOffset: number
  readonly brokerEpoch: number
  readonly lastFetchedEpoch: number
  readonly contact: FollowerContact
}

interface Waiter {
  readonly isMet: () => boolean
  readonly settle: (error: ShadowError | null) => void
}

export class FollowerPositions {
  readonly #now: () => number
  readonly #timeoutMs: number
  readonly #told = new Map<number, ToldPosition>()
  /** Milliseconds since 1970 when each was first seen where it stands. */
  readonly #movedAtMs = new Map<number, number>()
  readonly #waiters = new Set<Waiter>()

  /** A follower that was not heard of for `timeoutMs` counts as gone. */
  constructor (now: () => number, timeoutMs: number) {
    this.#now = now
    this.#timeoutMs = timeoutMs
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

  /** Forgets those that have no replica any more. */
  keepOnly (brokerIds: readonly number[]): void {
    for (const brokerId of this.#told.keys()) if (!brokerIds.includes(brokerId)) this.#told.delete(brokerId)
  }

  /** How many have been heard of. */
  get count (): number {
    return this.#told.size
  }

  get all (): ReadonlyMap<number, FollowerPosition> {
    return new Map([...this.#told].map(([brokerId, { fetchOffset, brokerEpoch, lastFetchedEpoch, contact }]) =>
      [brokerId, { fetchOffset, atMs: contact.atMs, brokerEpoch, lastFetchedEpoch }]))
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
