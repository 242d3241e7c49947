/** `kshadow` as a user runs it: processes of their own, told by files and flags. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const START_TIMEOUT_MS = 30_000

export interface CommandResult {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

const runningLine = z.object({ admin: z.string(), sidecar: z.string() })

/** A `kshadow run`, and commands that are sent to it. */
export class KshadowProcess {
  readonly #child: ChildProcess
  /** host:port of its admin port. */
  readonly admin: string
  /** host:port where clients of the sidecar start. */
  readonly sidecar: string
  readonly logFile: string

  private constructor (child: ChildProcess, addresses: z.infer<typeof runningLine>, logFile: string) {
    this.#child = child
    this.admin = addresses.admin
    this.sidecar = addresses.sidecar
    this.logFile = logFile
  }

  /** Resolves when it says that it runs. @throws {Error} with the end of its log when it does not */
  static async start (configFile: string, logFile: string): Promise<KshadowProcess> {
    const child = spawn(process.execPath, [MAIN, 'run', '-c', configFile], { stdio: ['ignore', 'ignore', 'pipe'] })
    const log = createWriteStream(logFile)
    child.stderr.pipe(log)
    const lines: string[] = []
    const addresses = await new Promise<z.infer<typeof runningLine>>((resolve, reject) => {
      const fail = (reason: string): void => { reject(new Error(`kshadow run ${reason}:\n${lines.slice(-20).join('\n')}`)) }
      const timer = setTimeout(() => { fail(`did not start within ${START_TIMEOUT_MS / 1000} s`) }, START_TIMEOUT_MS)
      child.once('exit', code => { fail(`ended with exit code ${code ?? 'none'}`) })
      createInterface({ input: child.stderr }).on('line', line => {
        lines.push(line)
        const found = runningLine.safeParse(parseJson(line))
        if (!found.success) return
        clearTimeout(timer)
        resolve(found.data)
      })
    }).catch((error: unknown) => {
      child.kill('SIGKILL')
      throw error
    })
    return new KshadowProcess(child, addresses, logFile)
  }

  /** Runs a command against it to its end. */
  async command (...args: readonly string[]): Promise<CommandResult> {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, KSHADOW_ADMIN: this.admin } })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
    await once(child, 'close')
    return { exitCode: child.exitCode, stdout, stderr }
  }

  logTail (): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-20).join('\n')
  }

  async stop (): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
  }
}

function parseJson (line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
