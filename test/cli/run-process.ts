/** `kshadow` as a process of its own: for what only a process has, such as signals, streams that break, and exit codes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Test } from 'tap'

/** The same file that runs this: compiled or not. */
const IS_COMPILED = import.meta.filename.endsWith('.js')
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', IS_COMPILED ? 'main.js' : 'main.ts')

export interface ProcessOutcome {
  /** A number as a shell has it; the name of a signal that killed it. */
  readonly code: number | NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

export interface KshadowProcess {
  readonly child: ChildProcess
  readonly ended: Promise<ProcessOutcome>
}

/** Starts `kshadow` with these arguments; it is killed when the test ends before. */
export function startProcess (t: Test, args: readonly string[], env: Readonly<Record<string, string>> = {}): KshadowProcess {
  return follow(t, spawn(process.execPath, [...process.execArgv, MAIN, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }))
}

/** Runs a line of shell in which `kshadow` is the program. */
export async function runShell (t: Test, line: string): Promise<ProcessOutcome> {
  const quoted = [process.execPath, ...process.execArgv, MAIN].map(word => `'${word}'`).join(' ')
  return await follow(t, spawn('sh', ['-c', `kshadow () { ${quoted} "$@"; }\n${line}`], { stdio: ['ignore', 'pipe', 'pipe'] })).ended
}

function follow (t: Test, child: ChildProcess): KshadowProcess {
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => { out += text })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { err += text })
  t.teardown(() => { child.kill('SIGKILL') })
  const ended = new Promise<ProcessOutcome>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code: code ?? signal, out, err }))
  })
  return { child, ended }
}
