/** What a command sees of the process it runs in: its streams, its environment, and the signal that ends it. */
import { ShadowError } from '../errors.ts'

export interface Terminal {
  /** Data, and nothing else. What cannot be written aborts `signal`. */
  readonly out: (text: string) => void
  /** Everything else: errors, prompts, progress. */
  readonly err: (text: string) => void
  readonly isOutTty: boolean
  readonly isErrTty: boolean
  /** True when there is somebody to answer a question. */
  readonly isInTty: boolean
  /** One line that somebody types; null at the end of input. */
  readonly readLine: (signal: AbortSignal) => Promise<string | null>
  /** Does what another program has the terminal for: Ctrl-C is for that one until it is done. */
  readonly lend: <T>(work: () => Promise<T>) => Promise<T>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by SIGINT and SIGTERM, and when nobody reads stdout any more: the reason is a SignalError; and by an OutputError. */
  readonly signal: AbortSignal
}

const EXIT_CODES = { SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const

/** The process was asked to end, or nobody reads what it writes. */
export class SignalError extends ShadowError {
  /** 128 and the number of the signal, as a shell has it. */
  readonly exitCode: number

  constructor (name: keyof typeof EXIT_CODES) {
    super('ABORTED', `ended by ${name}`)
    this.exitCode = EXIT_CODES[name]
  }
}

/** What a command had to show is lost: a full disk, say. */
export class OutputError extends Error {
  constructor (cause: Error) {
    super(`what was to be shown could not be written to stdout: ${cause.message}`, { cause })
    this.name = 'OutputError'
  }
}
