/** `kshadow run` as a process of its own, to be killed, paused and started again. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import type { BrokerCluster } from './broker-link.ts'
import { Workspace } from './workspace.ts'

const TAIL_CHARACTERS = 4000
const STOP_TIMEOUT_MS = 20_000
/** The same file that runs this: compiled or not. */
const IS_COMPILED = import.meta.filename.endsWith('.js')
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', IS_COMPILED ? 'main.js' : 'main.ts')

export interface EngineProcessOptions {
  readonly shadow: BrokerCluster
  readonly links: readonly object[]
  readonly sessionTimeoutMs: number
  /** Where the shadow's brokers fetch from; without it, links are in append mode produce. */
  readonly shadowLeader?: HostPort
}

export class EngineProcess {
  readonly #workspace: Workspace
  #process: ChildProcess | null = null
  #output = ''

  constructor ({ shadow, links, sessionTimeoutMs, shadowLeader }: EngineProcessOptions) {
    this.#workspace = Workspace.create('engine')
    writeFileSync(this.#configFile, stringify({
      shadow_cluster: { bootstrap_servers: shadow.bootstrapServers.map(formatHostPort) },
      engine: { session_timeout: `${sessionTimeoutMs}ms` },
      sidecar: { enabled: false },
      admin: { enabled: false },
      ...(shadowLeader === undefined ? {} : { shadow_leader: { listen: formatHostPort(shadowLeader) } }),
      links,
      log_level: 'info'
    }))
  }

  get #configFile (): string {
    return join(this.#workspace.path, 'run.yaml')
  }

  /** The end of what it logged, in all of its runs. */
  get output (): string {
    return this.#output.slice(-TAIL_CHARACTERS)
  }

  async start (): Promise<void> {
    if (this.#process !== null) throw new Error('the engine runs')
    const child = await this.#workspace.spawn(process.execPath, [...process.execArgv, MAIN, 'run', '-c', this.#configFile], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = child
    child.stderr?.on('data', (chunk: Buffer) => { this.#output = (this.#output + chunk.toString('utf8')).slice(-16 * TAIL_CHARACTERS) })
    child.once('exit', () => { if (this.#process === child) this.#process = null })
  }

  get isRunning (): boolean {
    return this.#process !== null
  }

  /** SIGKILL; returns when the process is gone. @throws {Error} when it had ended by itself */
  async kill (): Promise<void> {
    const child = this.#process
    if (child === null) throw new Error(`the engine has ended by itself:\n${this.output}`)
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    this.#process = null
  }

  pause (): void {
    this.#process?.kill('SIGSTOP')
  }

  resume (): void {
    this.#process?.kill('SIGCONT')
  }

  /** SIGTERM, and removes its folder. Returns the exit code; null for a process that had to be killed. */
  async stop (): Promise<number | null> {
    const child = this.#process
    let exitCode: number | null = null
    if (child !== null) {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      clearTimeout(timer)
      exitCode = child.exitCode
    }
    await this.#workspace.remove()
    return exitCode
  }
}
