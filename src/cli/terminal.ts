/** What a command sees of the process it runs in: its streams, its environment, and the signal that ends it. */
import { createInterface } from 'node:readline'
import { ShadowError } from '../errors.ts'

export interface Terminal {
  /** Data, and nothing else. */
  readonly out: (text: string) => void
  /** Everything else: errors, prompts, progress. */
  readonly err: (text: string) => void
  readonly isOutTty: boolean
  readonly isErrTty: boolean
  /** True when there is somebody to answer a question. */
  readonly isInTty: boolean
  /** One line that somebody types; null at the end of input. */
  readonly readLine: (signal: AbortSignal) => Promise<string | null>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by SIGINT and SIGTERM; the reason is a SignalError. */
  readonly signal: AbortSignal
}

/** The process was asked to end. */
export class SignalError extends ShadowError {
  /** 130 or 143, as a shell has it. */
  readonly exitCode: number

  constructor (name: 'SIGINT' | 'SIGTERM') {
    super('ABORTED', `ended by ${name}`)
    this.exitCode = name === 'SIGINT' ? 130 : 143
  }
}

export function processTerminal (signal: AbortSignal): Terminal {
  return {
    out: text => { process.stdout.write(text) },
    err: text => { process.stderr.write(text) },
    isOutTty: process.stdout.isTTY,
    isErrTty: process.stderr.isTTY,
    isInTty: process.stdin.isTTY,
    readLine,
    env: process.env,
    signal
  }
}

async function readLine (signal: AbortSignal): Promise<string | null> {
  // terminal: false leaves Ctrl-C to the system, which makes a signal of it.
  const lines = createInterface({ input: process.stdin, terminal: false })
  const onAbort = (): void => lines.close()
  signal.addEventListener('abort', onAbort)
  try {
    return await new Promise(resolve => {
      lines.once('line', resolve)
      lines.once('close', () => resolve(null))
    })
  } finally {
    signal.removeEventListener('abort', onAbort)
    lines.close()
    process.stdin.unref()
  }
}
