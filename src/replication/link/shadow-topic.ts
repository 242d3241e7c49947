/**
 * One topic of a link: its record in the state topic, and the copying of its partitions while it is ACTIVE.
 *
 *   PAUSED: frozen, and thawed when it is resumed
 *     ▲▼
 *   ACTIVE (copying) ──▶ FAULTED: all its partitions stop, at once, whichever of them it was, until somebody has it restarted
 *     │   │              ▲  │
 *     │   └▶ PROMOTING ──┘  │   copying; frozen when it is level with its source, and thawed when that has grown after all
 *     │      │     └────────│──────▶ PROMOTED
 *     └──────▶ FAILING_OVER ◀┘  frozen: what was fetched is still appended, then nothing is copied any more
 *                  └──▶ FAILED_OVER
 */
import type { Logger } from '../../observability/logger.ts'
import type { StateChange, TopicRecord } from '../../state/records.ts'
import { followsSource, isWritable, type TopicFault, type TopicState } from '../../state/topic-state.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import { isAborted } from '../../net/abort.ts'
import { backoffMs } from '../../net/backoff.ts'
import { sleep } from '../../net/sleep.ts'
import type { BeginOptions, PartitionShadow } from '../append/append-mode.ts'
import type { Fidelity, PartitionStatus, TopicStatus } from '../link-service.ts'
import { PausedLook } from './paused-look.ts'

/** What the link does for its topics. */
export interface TopicHost {
  readonly now: () => number
  readonly wallClock: () => Date
  readonly logger: Logger
  /** Ends when the engine no longer leads, and when the link is deleted. */
  readonly signal: AbortSignal
  write (changes: readonly StateChange[]): Promise<unknown>
  /** Begins to copy a partition in the way of the link's append mode. */
  begin (topic: ShadowTopic, partition: number, options: BeginOptions): PartitionShadow
}

/** Unsupported by the append mode, as opposed to damaged or diverged. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  'CONTROL_BATCH', 'TRANSACTIONAL_BATCH', 'LOG_APPEND_TIME', 'OLD_MESSAGE_FORMAT', 'OFFSET_GAP', 'LOG_START_ABOVE_ZERO'
])

/** Between the attempts to record a fault. */
const RECORD_AGAIN = { baseMs: 100, maxMs: 5000 }

export class ShadowTopic {
  readonly #host: TopicHost
  #record: TopicRecord
  #copies: PartitionShadow[] = []
  /** What keeps the topic from going on at the moment; null when nothing does. */
  problem: string | null = null
  /** What its promotion waits for; null when there is none, or nothing to wait for. */
  waitsFor: string | null = null
  #frozen = false
  #pausedLook = new PausedLook()
  #isRemoved = false
  /** It is being written that the topic is writable. */
  #isOpening = false
  #exclusive: Promise<unknown> = Promise.resolve()

  constructor (record: TopicRecord, host: TopicHost) {
    this.#record = record
    this.#host = host
  }

  get record (): TopicRecord {
    return this.#record
  }

  get topic (): string {
    return this.#record.topic
  }

  get now (): () => number {
    return this.#host.now
  }

  get wallClock (): () => Date {
    return this.#host.wallClock
  }

  /** True while the topic is a shadow that follows its source, and nobody has begun to open it. */
  get isShadowed (): boolean {
    const { owned, state } = this.#record
    return owned && !this.#frozen && !this.#isRemoved && (followsSource(state) || state === 'PAUSED')
  }

  /** True once its source was deleted, and its shadow is being deleted, too. */
  get isRemoved (): boolean {
    return this.#isRemoved
  }

  /** True while records are to be copied. */
  get isCopying (): boolean {
    return !this.#frozen && followsSource(this.#record.state) && this.#copies.length > 0
  }

  /** The ends of the partitions that are copied, as the last append or look-up confirmed them; null for one before the first. */
  get shadowEnds (): ReadonlyArray<number | null> {
    return this.#copies.map(copy => copy.shadowEndOffset)
  }

  /**
   * Does one thing after the other: what a sync still does to a topic must not come after its failover. Work that may have waited
   * looks at the state first.
   */
  exclusively<T> (work: () => Promise<T>): Promise<T> {
    const result = this.#exclusive.then(work)
    this.#exclusive = result.catch(() => {})
    return result
  }

  /**
   * Writes a change of the record; resolves when it is in the state topic. What is held here changes at once, and back when it
   * could not be written; but a topic is not said to be writable before that is recorded.
   */
  async update (patch: Partial<TopicRecord>): Promise<void> {
    await this.#put(patch, { isKept: false })
  }

  /** `isKept`: what is held here stays changed, also when it could not be written. */
  async #put (patch: Partial<TopicRecord>, { isKept }: { readonly isKept: boolean }): Promise<void> {
    if (this.#isRemoved) throw new ShadowError('CONFLICT', `topic ${this.topic} was deleted on the source, and its shadow is being deleted, too`)
    const before = this.#record
    const after = { ...before, ...patch }
    const opens = isWritable(after.state) && !isWritable(before.state)
    if (opens) this.#isOpening = true
    else this.#record = after
    try {
      await this.#host.write([{ kind: 'topic', link: after.link, topic: after.topic, value: after }])
    } catch (error) {
      if (!isKept && this.#record === after) this.#record = before
      throw error
    } finally {
      if (opens) this.#isOpening = false
    }
    if (opens) this.#record = after
  }

  /**
   * Has the shadow deleted, and takes the record out of the state topic. Nothing is copied from now on, and nothing else is done with
   * the topic meanwhile: a failover that is asked for does not take it.
   */
  async remove (deleteShadow: () => Promise<void>): Promise<void> {
    this.stop()
    this.#isRemoved = true
    const { link, topic } = this.#record
    try {
      await deleteShadow()
      await this.#host.write([{ kind: 'topic', link, topic, value: null }])
    } catch (error) {
      this.#isRemoved = false
      throw error
    }
  }

  async enter (state: TopicState, patch: Partial<TopicRecord> = {}): Promise<void> {
    await this.update({ ...patch, ...this.#entered(state) })
  }

  #entered (state: TopicState): Pick<TopicRecord, 'state' | 'since'> {
    return { state, since: this.#host.wallClock().toISOString() }
  }

  /** True when nothing is to be taken from the source. */
  get #isHeld (): boolean {
    return this.#frozen || this.#record.state === 'PAUSED'
  }

  /** Begins, or takes in new partitions; those of a topic that is PAUSED are held. `isInherited` when an engine before this one may have copied them. */
  copy (partitions: number, { isInherited = false }: { readonly isInherited?: boolean } = {}): void {
    if (!followsSource(this.#record.state) && this.#record.state !== 'PAUSED') return
    for (let partition = this.#copies.length; partition < partitions; partition++) {
      const copy = this.#host.begin(this, partition, { isInherited, isHeld: this.#isHeld })
      if (this.#isHeld) copy.freeze()
      this.#copies.push(copy)
    }
  }

  /** Takes an ACTIVE topic to PAUSED: what was fetched still goes to the shadow, and nothing more. Where that cannot be recorded, it goes on. */
  async pause ({ pausedWithLink }: Pick<TopicRecord, 'pausedWithLink'>): Promise<void> {
    for (const copy of this.#copies) copy.freeze()
    this.#pausedLook = new PausedLook()
    try {
      await this.enter('PAUSED', { pausedWithLink })
    } catch (error) {
      this.#thawCopies()
      throw error
    }
  }

  /** Takes a topic that is PAUSED, or to be promoted one that is ACTIVE, to a state in which it is copied. One that is neither any more stays as it is. */
  async follow (state: 'ACTIVE' | 'PROMOTING'): Promise<void> {
    const isToFollow = this.#record.state === 'PAUSED' || (state === 'PROMOTING' && this.#record.state === 'ACTIVE')
    if (!isToFollow) return
    await this.enter(state, { pausedWithLink: false })
    if (this.#record.created) this.copy(this.#record.partitions, { isInherited: true })
    this.#thawCopies()
  }

  /** What came meanwhile counts: a freeze, a failover, or a fault. */
  #thawCopies (): void {
    if (!this.#isHeld && followsSource(this.#record.state)) for (const copy of this.#copies) copy.thaw()
  }

  /** Forgets what copied its partitions until it was stopped: what that knew of them is not true any more. */
  forgetCopies (): void {
    this.#copies = []
  }

  /**
   * Takes a FAULTED topic back to ACTIVE, and begins to copy it anew. Only where the append mode has let go of it.
   * @throws {ShadowError} CONFLICT for one that is not FAULTED any more: somebody has failed it over meanwhile
   */
  async restart (patch: Partial<TopicRecord> = {}): Promise<void> {
    const { state } = this.#record
    if (state !== 'FAULTED') throw new ShadowError('CONFLICT', `topic ${this.topic} is ${state} by now, and only one that is FAULTED is begun anew`)
    this.forgetCopies()
    this.problem = null
    // The fault may have ended a promotion that had frozen it.
    this.#frozen = false
    await this.enter('ACTIVE', { ...patch, fault: null })
    if (this.#record.created) this.copy(this.#record.partitions, { isInherited: true })
  }

  /** Where the source's partitions were just said to end, for the status of a topic that is PAUSED. */
  sawSource (ends: readonly number[]): void {
    this.#pausedLook.seen(ends, this.shadowEnds, this.#host.now())
  }

  freeze (): void {
    this.#frozen = true
    for (const copy of this.#copies) copy.freeze()
  }

  /** Takes a freeze back: the topic goes on being copied as if nothing had happened, unless a fault has stopped it. */
  thaw (): void {
    this.#frozen = false
    this.#thawCopies()
  }

  stop (): void {
    for (const copy of this.#copies) copy.stop()
  }

  /** Stops the topic. During a failover, and once a promotion hands it over, it goes on being opened, with what it has. */
  fault (fault: TopicFault): void {
    if (this.#isRemoved || this.#record.fault !== null || isWritable(this.#record.state)) return
    this.stop()
    this.waitsFor = null
    const { link, topic } = this.#record
    this.#host.logger.error({ link, topic, partition: fault.partition, offset: fault.offset, fault: fault.code }, `topic ${topic} was stopped: ${fault.reason}`)
    this.#keepFault(fault).catch((error: unknown) => this.#host.logger.error({ link, topic, err: error }, `the fault of ${topic} could not be kept: ${messageOf(error)}`))
  }

  /** Records a fault, which counts at once: nothing is copied any more, whether it can be written or not. */
  async #keepFault (fault: TopicFault): Promise<void> {
    const { signal, logger } = this.#host
    const { link, topic } = this.#record
    for (let failures = 0, isHeldHere = false; !signal.aborted; failures++) {
      // A record that came after that of an opening, and does not know of it, would close the topic again.
      if (!this.#isOpening) {
        const written = this.#put(isHeldHere ? {} : this.#stoppedBy(fault), { isKept: true })
        isHeldHere = true
        try {
          await written
          return
        } catch (error) {
          if (isAborted(signal)) return
          logger[failures === 0 ? 'warn' : 'debug']({ link, topic, err: error }, `the fault of ${topic} could not be recorded, trying again: ${messageOf(error)}`)
        }
      }
      await sleep(backoffMs(failures, RECORD_AGAIN), signal).catch(() => {})
      // Somebody has repaired the topic, or taken it out of the link.
      if (isHeldHere && this.#record.fault !== fault) return
    }
  }

  #stoppedBy (fault: TopicFault): Partial<TopicRecord> {
    const { state, handingOver } = this.#record
    const stops = state === 'PAUSED' || (followsSource(state) && !handingOver)
    return { fault, ...(stops ? this.#entered('FAULTED') : {}) }
  }

  status (freshMs: number): TopicStatus {
    const { topic, shadowTopicId, sourceTopicId, state, since, owned, fault, startOffsets, configs, refusedConfigs, rollbacks } = this.#record
    return {
      name: topic,
      topicId: shadowTopicId,
      sourceTopicId,
      state,
      since,
      owned,
      fault,
      fidelity: this.#fidelity(),
      partitions: this.#partitions(freshMs),
      startOffsets,
      syncedConfigs: configs,
      refusedConfigs,
      rollbacks,
      problem: this.problem ?? this.waitsFor
    }
  }

  #partitions (freshMs: number): readonly PartitionStatus[] {
    const partitions = this.#copies.length > 0 ? this.#copies.map(copy => copy.status(freshMs)) : this.#uncopied()
    if (this.#record.state !== 'PAUSED') return partitions
    const times = { nowMs: this.#host.now(), pausedMs: Math.max(0, this.#host.wallClock().getTime() - Date.parse(this.#record.since)) }
    return partitions.map(partition => this.#pausedLook.status(partition, times))
  }

  #fidelity (): Fidelity {
    const { fault, owned } = this.#record
    if (!owned) return 'unknown'
    if (fault === null) return 'exact'
    return UNSUPPORTED.has(fault.code) ? 'unsupported' : 'unknown'
  }

  /** Partitions that nobody copies now: all that is known is where they ended when they were failed over. */
  #uncopied (): readonly PartitionStatus[] {
    return Array.from({ length: this.#record.partitions }, (_, partition) => ({
      partition,
      sourceLogStartOffset: null,
      sourceLastStableOffset: null,
      sourceHighWatermark: null,
      shadowEndOffset: this.#record.endOffsets?.[partition] ?? null,
      lagRecords: null,
      lagSeconds: null,
      sourceContactAgeMs: null,
      activity: 'stopped' as const,
      problem: null
    }))
  }
}
