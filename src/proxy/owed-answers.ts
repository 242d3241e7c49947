/**
 * What goes back to one client: the answers that it is owed, in the order of its requests, whoever gives them. A broker answers in
 * order, and what is answered here waits for its turn.
 */
import { DecodeError } from '../../protocol/errors/protocol-errors.ts'
import { LENGTH_BYTES } from '../../protocol/frame.ts'
import type { Outlet } from './outlet.ts'
import { PendingAnswers, type Rewrite } from './pending-answers.ts'

export class OwedAnswers {
  readonly #pending = new PendingAnswers()
  readonly #toClient: Outlet
  readonly #maxFrameBytes: number

  /** No answer that has to be read may have more than `maxFrameBytes`. */
  constructor (toClient: Outlet, maxFrameBytes: number) {
    this.#toClient = toClient
    this.#maxFrameBytes = maxFrameBytes
  }

  get count (): number {
    return this.#pending.count
  }

  /** The bytes of answers that are made and wait for earlier ones. */
  get readyBytes (): number {
    return this.#pending.readyBytes
  }

  /** The request that the broker answers next; null when it owes nothing. */
  get nextCorrelationId (): number | null {
    return this.#pending.first?.correlationId ?? null
  }

  /** The broker will answer. `rewrite`: what to do with that; null to pass it on as it comes. */
  expect (correlationId: number, rewrite: Rewrite | null): void {
    this.#pending.push({ correlationId, ready: null, rewrite })
  }

  /** The answer is given here, when its turn comes. */
  give (correlationId: number, frame: readonly Buffer[]): void {
    if (this.#pending.count === 0) this.#toClient.write(frame)
    else this.#pending.push({ correlationId, ready: frame, rewrite: null })
  }

  /**
   * Whether the broker's answer, of which the head has come, is passed on as it comes, or held to be rewritten.
   * @throws {DecodeError} when it is too large for that
   */
  isHeld (totalBytes: number): boolean {
    if ((this.#pending.first?.rewrite ?? null) === null) return false
    if (totalBytes - LENGTH_BYTES > this.#maxFrameBytes) throw new DecodeError(`an answer of ${totalBytes - LENGTH_BYTES} bytes is to be read (at most ${this.#maxFrameBytes})`)
    return true
  }

  /** Rewrites the broker's answer that was held, and sends it; false when it is to be passed on unchanged. */
  rewrite (whole: Buffer): boolean {
    const rewritten = this.#pending.first?.rewrite?.(whole.subarray(LENGTH_BYTES)) ?? null
    if (rewritten === null) return false
    this.#toClient.write(rewritten)
    this.next()
    return true
  }

  /** The oldest answer is out: those that are ready and were waiting for it follow. */
  next (): void {
    this.#pending.shift()
    for (let next = this.#pending.first; next !== null && next.ready !== null; next = this.#pending.first) {
      this.#toClient.write(next.ready)
      this.#pending.shift()
    }
  }
}
