/**
 * The life of a shadow partition as its leader.
 *
 *                serve()              freeze()
 *   locating ──────────────▶ serving ──────────▶ frozen        any ──▶ stopped   stop()
 *      ▲                        │
 *      └───── relocate() ───────┘ the source has rewritten its log
 *
 *   locating  where source and followers stand is not known: followers are answered, with nothing and without an error
 *   serving   the source's batches, up to its high watermark
 *   frozen    the same, up to a fixed end and nothing beyond
 *   stopped   not the leader any more
 */
import { ShadowError } from '../../../errors.ts'

export type ShadowPhase = 'locating' | 'serving' | 'frozen' | 'stopped'

export class ShadowLife {
  readonly #name: string
  #phase: ShadowPhase = 'locating'
  #frozenEnd = Infinity

  /** `name` is the partition's, for messages. */
  constructor (name: string) {
    this.#name = name
  }

  get phase (): ShadowPhase {
    return this.#phase
  }

  get isServing (): boolean {
    return this.#phase === 'serving' || this.#phase === 'frozen'
  }

  get isStopped (): boolean {
    return this.#phase === 'stopped'
  }

  /** The end that was fixed; Infinity when none was. */
  get frozenEnd (): number {
    return this.#frozenEnd
  }

  /** What was frozen while it was locating is frozen from now on. @throws {ShadowError} CONFLICT when it has been stopped */
  serve (): void {
    this.#checkLed()
    if (this.#phase === 'locating') this.#phase = this.#frozenEnd === Infinity ? 'serving' : 'frozen'
  }

  /** @throws {ShadowError} CONFLICT when it has been stopped */
  freeze (endOffset: number): void {
    this.#checkLed()
    this.#frozenEnd = endOffset
    if (this.#phase === 'serving') this.#phase = 'frozen'
  }

  thaw (): void {
    this.#frozenEnd = Infinity
    if (this.#phase === 'frozen') this.#phase = 'serving'
  }

  relocate (): void {
    this.#phase = 'locating'
  }

  stop (): void {
    this.#phase = 'stopped'
  }

  /** What somebody fails with who wants something of a partition that was stopped. */
  get conflict (): ShadowError {
    return new ShadowError('CONFLICT', `${this.#name} is not led any more`)
  }

  #checkLed (): void {
    if (this.isStopped) throw this.conflict
  }
}
