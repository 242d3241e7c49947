/**
 * One process of Apache Kafka: a controller, a broker, or both.
 *
 *   stopped ──start()──▶ running ◀──resume()── paused      SIGSTOP: connections stay open, nothing is answered
 *      ▲                  │   └──────pause()─────▶│
 *      └─stop() or kill()─┴───────kill()──────────┘
 *
 * SIGTERM leaves the cluster in good order; SIGKILL does not.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Workspace } from './workspace.ts'

/** A broker says so when it is unfenced: registered, caught up with the metadata, and given work. */
const STARTED = 'Kafka Server started'

/** A node is up in 2 s; the rest is for machines with more to do. */
const START_TIMEOUT_MS = 90_000
const STOP_TIMEOUT_MS = 30_000
const POLL_MS = 50
const TAIL_CHARACTERS = 4000

export interface KafkaNodeOptions {
  readonly id: number
  readonly workspace: Workspace
  /** What comes after `java`, up to the main class. */
  readonly javaOptions: readonly string[]
  readonly configFile: string
  readonly logDir: string
  readonly outputFile: string
}

export class KafkaNode {
  readonly id: number
  /** Where the partitions' folders are. */
  readonly logDir: string
  readonly #options: KafkaNodeOptions
  #process: ChildProcess | null = null
  /** Where in the output file the present run begins. */
  #outputStart = 0

  constructor (options: KafkaNodeOptions) {
    this.id = options.id
    this.logDir = options.logDir
    this.#options = options
  }

  get isRunning (): boolean {
    return this.#process !== null
  }

  get pid (): number | null {
    return this.#process?.pid ?? null
  }

  /** Returns when the node serves requests. @throws {Error} with the end of its output when it does not start */
  async start (): Promise<void> {
    if (this.#process !== null) throw new Error(`node ${this.id} is running`)
    const { workspace, javaOptions, configFile, outputFile } = this.#options
    const output = openSync(outputFile, 'a')
    try {
      this.#outputStart = (await stat(outputFile)).size
      const child = await workspace.spawn('java', [...javaOptions, 'kafka.Kafka', configFile], { stdio: ['ignore', output, output] })
      this.#process = child
      child.once('exit', () => { if (this.#process === child) this.#process = null })
      // It may have ended before there was anybody to hear it.
      if (child.exitCode !== null || child.signalCode !== null) this.#process = null
    } finally {
      closeSync(output)
    }
    const deadline = performance.now() + START_TIMEOUT_MS
    while (!(await this.#output()).includes(STARTED)) {
      if (this.#process === null) throw new Error(`node ${this.id} ended while it started; its output ends with\n${await this.outputTail()}`)
      if (performance.now() > deadline) throw new Error(`node ${this.id} has not started within ${START_TIMEOUT_MS} ms; its output ends with\n${await this.outputTail()}`)
      await sleep(POLL_MS)
    }
  }

  /** SIGTERM: the broker hands over what it leads. Returns when the process is gone. */
  async stop (): Promise<void> {
    const child = this.#process
    if (child === null) return
    child.kill('SIGTERM')
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await ended(child)
    clearTimeout(kill)
  }

  /** SIGKILL, also when it is paused. Returns when the process is gone. */
  async kill (): Promise<void> {
    const child = this.#process
    if (child === null) return
    child.kill('SIGKILL')
    await ended(child)
  }

  /** Returns when no thread of the node runs any more: on a busy machine that is some time after the signal. */
  async pause (): Promise<void> {
    const pid = this.#signal('SIGSTOP')
    while (!(await isStopped(pid))) await sleep(POLL_MS)
  }

  resume (): void {
    this.#signal('SIGCONT')
  }

  /** The end of what the node wrote in all of its runs. */
  async outputTail (): Promise<string> {
    return (await readFile(this.#options.outputFile, 'utf8')).slice(-TAIL_CHARACTERS)
  }

  #signal (signal: 'SIGSTOP' | 'SIGCONT'): number {
    if (this.#process?.pid === undefined) throw new Error(`node ${this.id} is not running`)
    this.#process.kill(signal)
    return this.#process.pid
  }

  async #output (): Promise<string> {
    const file = await open(this.#options.outputFile)
    try {
      const { size } = await file.stat()
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - this.#outputStart), 0, size - this.#outputStart, this.#outputStart)
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await file.close()
    }
  }
}

/** True when every thread is stopped; also when the process is gone, and where there is no /proc to look at. */
async function isStopped (pid: number): Promise<boolean> {
  try {
    const threads = await readdir(`/proc/${pid}/task`)
    // The state comes after the name, which is in brackets and may hold anything.
    const states = await Promise.all(threads.map(async thread => /.*\) (.)/s.exec(await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8'))?.[1]))
    return states.every(state => state === 'T')
  } catch {
    // One thread may have ended just now.
    return !existsSync(`/proc/${pid}/task`)
  }
}

async function ended (child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}
