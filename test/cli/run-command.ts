/** Runs one command line with streams that a test can look at. */
import { runCli } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/terminal.ts'

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  /** What somebody at a terminal types, line by line; without it there is no terminal. */
  readonly answers?: readonly string[]
  readonly signal?: AbortSignal
  readonly onOut?: (text: string) => void
  readonly isTty?: boolean
}

export async function runCommand (argv: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  let out = ''
  let err = ''
  const answers = [...options.answers ?? []]
  const terminal: Terminal = {
    out: text => {
      out += text
      options.onOut?.(text)
    },
    err: text => { err += text },
    isOutTty: options.isTty ?? false,
    isErrTty: options.isTty ?? false,
    isInTty: options.answers !== undefined,
    readLine: async () => answers.shift() ?? null,
    lend: async work => await work(),
    env: options.env ?? {},
    signal: options.signal ?? new AbortController().signal
  }
  const code = await runCli(argv, terminal)
  return { code, out, err }
}
