/**
 * Holds batches back whose producer id is above all that the link's record knows, until it has been recorded: an engine that
 * takes over, and whose source is gone, must know past which ids the shadow cluster's own have to be moved. That is one record
 * for many new producers, because some room is recorded with it.
 */
import { isAborted } from '../../../net/abort.ts'
import { backoffMs } from '../../../net/backoff.ts'
import { sleep } from '../../../net/sleep.ts'

/** Of ids: a block, as brokers are given them. */
const ROOM = 1000
const RETRY = { baseMs: 50, maxMs: 2000 }

export interface ProducerIdGateOptions {
  readonly highest: number
  readonly record: (producerId: number) => Promise<unknown>
  readonly signal: AbortSignal
  /** What was held back may go on. */
  readonly onRaised: () => void
}

export class ProducerIdGate {
  readonly #options: ProducerIdGateOptions
  #recorded: number
  #wanted: number
  #isRecording = false

  constructor (options: ProducerIdGateOptions) {
    this.#options = options
    this.#recorded = this.#wanted = options.highest
  }

  mayServe (producerId: number): boolean {
    if (producerId <= this.#recorded) return true
    if (producerId > this.#wanted) this.#wanted = producerId + ROOM
    if (!this.#isRecording) {
      this.#isRecording = true
      this.#raise().finally(() => { this.#isRecording = false }).catch(() => {})
    }
    return false
  }

  async #raise (): Promise<void> {
    const { record, signal, onRaised } = this.#options
    for (let failures = 0; !isAborted(signal) && this.#recorded < this.#wanted;) {
      const wanted = this.#wanted
      try {
        await record(wanted)
        this.#recorded = wanted
        failures = 0
        onRaised()
      } catch {
        await sleep(backoffMs(failures++, RETRY), signal).catch(() => {})
      }
    }
  }
}
