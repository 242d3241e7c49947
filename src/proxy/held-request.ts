/** A request of which nothing may be passed on before more of it is known than its first bytes. */
import { Reader } from '../../protocol/buffer/reader.ts'
import { DecodeError } from '../../protocol/errors/protocol-errors.ts'
import { LENGTH_BYTES } from '../../protocol/frame.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import type { Offer, OfferContext, Peek } from './offer.ts'
import { PiecewiseReader, type FrameBytes } from './piecewise-reader.ts'
import { ProduceScan } from './produce-scan.ts'
import { MAX_ELEMENTS, MAX_JUDGED_BYTES } from './request-limits.ts'

export interface RequestHead {
  readonly offer: Offer
  readonly version: number
  readonly correlationId: number
  /** False for a version that is only answered with a refusal. */
  readonly isOffered: boolean
  /** With the length word. */
  readonly totalBytes: number
}

export class HeldRequest {
  readonly offer: Offer
  readonly version: number
  readonly correlationId: number
  readonly isOffered: boolean
  readonly #totalBytes: number
  readonly #context: OfferContext
  readonly #scan: ProduceScan | null
  readonly #peek: Peek | null
  #pieces: PiecewiseReader | null = null
  /** True once it is known that all of it must be seen. */
  #isWhole = false

  /** @throws {DecodeError} for one that is too large to be judged */
  constructor ({ offer, version, correlationId, isOffered, totalBytes }: RequestHead, context: OfferContext) {
    this.offer = offer
    this.version = version
    this.correlationId = correlationId
    this.isOffered = isOffered
    this.#totalBytes = totalBytes
    this.#context = context
    this.#scan = isOffered && offer.key === Produce.key ? new ProduceScan(version) : null
    this.#peek = isOffered && !offer.isJudged(version, context) ? offer.peek : null
    if (this.#scan === null && this.#peek === null) this.#needWhole()
  }

  /** False for a Produce that asks for none; only to be asked once the request may pass, or is complete. */
  get wantsAnswer (): boolean {
    return this.#scan?.wantsAnswer !== false
  }

  /** The topics that a Produce names; only to be asked once it may pass. */
  get topics (): readonly string[] {
    return this.#scan?.topics ?? []
  }

  /**
   * True when the request may go to the broker as it is, whatever is still to come of it. Asked anew whenever more has come.
   * @throws {DecodeError} when it is no such request, or too large to be judged
   */
  passesEarly (frame: FrameBytes): boolean {
    if (this.#isWhole) return false
    const isJudged = this.#scan === null ? this.#peekAt(frame) : this.#scanOn(this.#scan, frame)
    if (isJudged === true) this.#needWhole()
    return isJudged === false
  }

  /** As `passesEarly`, of the complete request, its length word included. */
  passesWhole (whole: Buffer): boolean {
    if (this.#scan !== null) {
      this.#scan.readWhole(whole)
      return !this.#isRefused(this.#scan)
    }
    if (this.#isWhole || this.#peek === null) return false
    const reader = new Reader(whole, LENGTH_BYTES)
    reader.elementsLeft = MAX_ELEMENTS
    return !this.#peek(reader, this.version)
  }

  /** Null while it is not known. */
  #scanOn (scan: ProduceScan, frame: FrameBytes): boolean | null {
    return scan.advance(frame) ? this.#isRefused(scan) : null
  }

  #peekAt (frame: FrameBytes): boolean | null {
    let isJudged: boolean | null = null
    this.#pieces ??= new PiecewiseReader()
    this.#pieces.step(frame, reader => {
      isJudged = this.#peek?.(reader, this.version) ?? true
      return 0
    })
    return isJudged
  }

  #isRefused ({ topics }: ProduceScan): boolean {
    return topics.some(topic => this.#context.rules.refusalOf(topic) !== null)
  }

  #needWhole (): void {
    this.#isWhole = true
    const bytes = this.#totalBytes - LENGTH_BYTES
    if (bytes > MAX_JUDGED_BYTES && this.offer.key !== Produce.key) throw new DecodeError(`a request ${this.offer.name} of ${bytes} bytes cannot be judged (at most ${MAX_JUDGED_BYTES})`)
  }
}
