import { abortedError, onAbort } from './abort.ts'

interface PendingOptions {
  /** API and version, for messages. */
  readonly what: string
  readonly timeoutMs: number
  readonly deadlineMs: number
  readonly encode: (correlationId: number) => Buffer[]
  /** @throws {DecodeError} when the frame cannot be read; nothing is settled then */
  readonly resolve: (frame: Buffer) => void
  readonly reject: (error: unknown) => void
}

/** A request from when it is made until its caller has been told how it went. It is settled once; what comes later is dropped. */
export class PendingRequest {
  readonly what: string
  readonly timeoutMs: number
  readonly deadlineMs: number
  readonly #options: PendingOptions
  #stopListening: (() => void) | null = null
  #chunks: Buffer[] = []
  #isSettled = false
  correlationId = -1
  sizeBytes = 0

  constructor (options: PendingOptions) {
    this.what = options.what
    this.timeoutMs = options.timeoutMs
    this.deadlineMs = options.deadlineMs
    this.#options = options
  }

  get isSettled (): boolean {
    return this.#isSettled
  }

  /** Rejects when `signal` aborts, and then calls `onAborted`. */
  abortWith (signal: AbortSignal | undefined, onAborted: () => void): void {
    if (signal === undefined) return
    this.#stopListening = onAbort(signal, () => {
      this.reject(abortedError(signal))
      onAborted()
    })
  }

  /** @throws {EncodeError} */
  encode (correlationId: number): void {
    this.#chunks = this.#options.encode(correlationId)
    this.correlationId = correlationId
    this.sizeBytes = this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  /** The encoded request, which is not kept: it may be large, and the answer may take long. */
  takeChunks (): Buffer[] {
    const chunks = this.#chunks
    this.#chunks = []
    return chunks
  }

  resolve (frame: Buffer): void {
    if (this.#isSettled) return
    this.#options.resolve(frame)
    this.#settle()
  }

  reject (error: unknown): void {
    if (this.#isSettled) return
    this.#settle()
    this.#options.reject(error)
  }

  #settle (): void {
    this.#isSettled = true
    this.#stopListening?.()
  }
}
