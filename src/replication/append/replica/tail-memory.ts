/**
 * The chunks of all partitions of a link, by the answer that they came in: memory goes back when an answer's last chunk has gone.
 * When somebody waits for memory, the answers that were needed longest ago go first. Those that somebody is about to need stay: nobody's
 * data is taken away between its arrival and its serving, and a follower that is ahead waits for the one behind it.
 */
import type { ByteBudget, HeldBytes } from '../../source/byte-budget.ts'
import type { TailChunk } from './tail-chunk.ts'

const LOOK_AGAIN_MS = 250

/** Whoever keeps chunks. */
export interface ChunkHolder {
  /** True when a request that is being answered waits for something in the chunk, or a follower is about to come to it. */
  isNeeded (chunk: TailChunk): boolean
  /** Lets go of the chunk: it must not be used any more. */
  evict (chunk: TailChunk): void
}

interface Answer {
  readonly chunks: Map<TailChunk, ChunkHolder>
  /** How many answers to followers that refer to its memory are on their way. */
  sending: number
}

export class TailMemory {
  readonly #budget: ByteBudget
  /** Needed longest ago first. */
  readonly #answers = new Map<HeldBytes, Answer>()
  readonly #stop: () => void
  #timer: NodeJS.Timeout | null = null

  constructor (budget: ByteBudget) {
    this.#budget = budget
    this.#stop = budget.onShort(() => this.#reclaim())
  }

  /** True when little is left: nobody should fetch what nobody waits for. */
  get isShort (): boolean {
    return this.#budget.isShort
  }

  close (): void {
    this.#stop()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  add (chunk: TailChunk, holder: ChunkHolder): void {
    const answer = this.#answers.get(chunk.held)
    if (answer === undefined) this.#answers.set(chunk.held, { chunks: new Map([[chunk, holder]]), sending: 0 })
    else answer.chunks.set(chunk, holder)
  }

  remove (chunk: TailChunk): void {
    const answer = this.#answers.get(chunk.held)
    if (answer?.chunks.delete(chunk) !== true) return
    if (answer.chunks.size === 0) this.#answers.delete(chunk.held)
    chunk.held.release()
  }

  /** Keeps the memory of a chunk until the returned function is called, once, when what was served of it has been sent. */
  serve (chunk: TailChunk): () => void {
    const { held } = chunk
    const answer = this.#answers.get(held)
    if (answer !== undefined) {
      this.#answers.delete(held)
      this.#answers.set(held, answer)
      answer.sending++
    }
    held.hold()
    return () => {
      if (answer !== undefined) answer.sending--
      held.release()
    }
  }

  /** Something is not awaited any more: what could not be had before may be had now. */
  relax (): void {
    if (this.#budget.isAwaited && this.isShort) this.#reclaim()
  }

  #reclaim (): void {
    this.#evictUnneeded()
    // Somebody who is about to need something may turn out not to come.
    if (!this.isShort || this.#timer !== null) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.relax()
    }, LOOK_AGAIN_MS)
    this.#timer.unref()
  }

  #evictUnneeded (): void {
    for (const [, { chunks, sending }] of [...this.#answers]) {
      if (!this.isShort) return
      let isNeeded = false
      for (const [chunk, holder] of chunks) if (holder.isNeeded(chunk)) isNeeded = true
      if (isNeeded) continue
      for (const [chunk, holder] of [...chunks]) holder.evict(chunk)
      // Its memory comes back when it has been sent.
      if (sending > 0) return
    }
  }
}
