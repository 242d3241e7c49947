/** This process as the terminal of a command. */
import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { OutputError, SignalError, type Terminal } from './terminal.ts'

const STDOUT = 1

/** Runs a command with the streams and signals of this process, which ends with the exit code that the command returns. */
export async function runInProcess (command: (terminal: Terminal) => Promise<number>): Promise<void> {
  const ending = new AbortController()
  let isLent = false
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (isLent && name === 'SIGINT') return
      const error = new SignalError(name)
      // The second one is for those who do not want to wait.
      if (ending.signal.aborted) process.exit(error.exitCode)
      ending.abort(error)
    })
  }
  const onOutError = (error: Error): void => {
    // As SIGPIPE would, which Node ignores: it ends what is under way, such as in `kshadow verify x | head`, and leaves what is known its exit code.
    ending.abort('code' in error && error.code === 'EPIPE' ? new SignalError('SIGPIPE') : new OutputError(error))
  }
  process.stdout.on('error', onOutError)
  process.stderr.on('error', () => {})
  process.exitCode = await command({
    out: text => writeOut(text, onOutError),
    err: text => { process.stderr.write(text) },
    isOutTty: process.stdout.isTTY,
    isErrTty: process.stderr.isTTY,
    isInTty: process.stdin.isTTY,
    readLine,
    lend: async work => {
      isLent = true
      try {
        return await work()
      } finally {
        isLent = false
      }
    },
    env: process.env,
    signal: ending.signal
  })
}

function writeOut (text: string, onError: (error: Error) => void): void {
  if (process.stdout instanceof Socket) {
    process.stdout.write(text)
    return
  }
  // To a file, Node's own stream takes a write of the first half for one of the whole.
  const bytes = Buffer.from(text)
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(STDOUT, bytes, at)
  } catch (error) {
    onError(error instanceof Error ? error : new Error(String(error)))
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
