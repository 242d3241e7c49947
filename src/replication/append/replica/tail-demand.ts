/** What followers need of a partition's tail: where they stand, where they are moving, and where somebody waits to be told more. */
import type { FollowerAdmission } from './follower-admission.ts'
import type { PartitionWatcher } from './follower-fetch.ts'
import type { FollowerPositions } from './follower-positions.ts'

/** A follower that has something to fetch moves on every time it asks; writing what it got may take a moment. */
const MOVING_MS = 1000

export interface TailDemandOptions {
  readonly followers: FollowerPositions
  readonly admission: FollowerAdmission
  /** The first offset that is served; null while nothing is. */
  readonly servedFrom: () => number | null
  /** How many followers there are to be. */
  readonly expectedFollowers: () => number
  readonly now: () => number
}

export class TailDemand {
  readonly #options: TailDemandOptions
  readonly #watchers = new Set<PartitionWatcher>()
  #gatheringUntilMs: number | null = null

  constructor (options: TailDemandOptions) {
    this.#options = options
  }

  /** Where the followers that are alive stand. */
  get followerOffsets (): readonly number[] {
    const { followers, admission, servedFrom } = this.#options
    const from = servedFrom()
    return from === null ? [] : followers.aliveAmong(admission.admitted).filter(offset => offset >= from)
  }

  /** Where those of them stand that have just moved. */
  get movingOffsets (): readonly number[] {
    const { followers, admission, servedFrom } = this.#options
    return servedFrom() === null ? [] : followers.movingAmong(admission.admitted, MOVING_MS)
  }

  /** From now on, for so long, if it has not begun before. */
  gather (ms: number): void {
    this.#gatheringUntilMs ??= this.#options.now() + ms
  }

  /** True while followers may still come that begin where the others began: nothing is let go of before it has to be. */
  get isGathering (): boolean {
    const { followers, expectedFollowers, now } = this.#options
    return this.#gatheringUntilMs !== null && now() < this.#gatheringUntilMs && followers.count < expectedFollowers()
  }

  /** Where those stand that will be answered when there is something. */
  get wantedOffsets (): readonly number[] {
    return Array.from(this.#watchers, ({ fetchOffset }) => fetchOffset)
  }

  /** Of these, those whose request is here already. */
  get awaitedOffsets (): readonly number[] {
    return Array.from(this.#watchers).filter(({ isWaiting }) => isWaiting).map(({ fetchOffset }) => fetchOffset)
  }

  /** Calls `watcher.changed` whenever there may be something new to tell, until the returned function is called. */
  watch (watcher: PartitionWatcher): () => void {
    this.#watchers.add(watcher)
    return () => { this.#watchers.delete(watcher) }
  }

  /** There may be something new to tell. */
  changed (): void {
    for (const watcher of [...this.#watchers]) watcher.changed()
  }
}
