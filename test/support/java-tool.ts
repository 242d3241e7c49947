/** Java programs of the tests: main classes from Kafka's jars, and ours from test/java. */
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { classPath, QUICK_START, type KafkaVersion } from './kafka-jars.ts'
import { Workspace } from './workspace.ts'

const DEFAULT_TIMEOUT_MS = 60_000

/** What is kept of each of stdout and stderr; a program that writes more is told so by an error. */
const MAX_OUTPUT_CHARACTERS = 64 * 1024 * 1024

const TAIL_CHARACTERS = 4000

export interface JavaOptions {
  /** Whose jars; the newest by default. */
  readonly version?: KafkaVersion
  /** Files to be there when the program starts, by name: configurations, mostly. The program runs in their folder. */
  readonly files?: Readonly<Record<string, string>>
  /** Replaces the options that make Java start fast. */
  readonly javaOptions?: readonly string[]
}

export interface JavaRunOptions extends JavaOptions {
  /** All that the program reads from stdin. */
  readonly stdin?: string | Buffer
  readonly timeoutMs?: number
  /** Return an exit code that is not 0 instead of throwing. */
  readonly mayFail?: boolean
}

export interface JavaResult {
  /** Null for a program that a signal ended. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a main class to its end.
 * @throws {Error} with the end of its output when it takes too long, or fails and may not.
 */
export async function runJava (mainClass: string, args: readonly string[], options: JavaRunOptions = {}): Promise<JavaResult> {
  const { stdin = '', timeoutMs = DEFAULT_TIMEOUT_MS, mayFail = false } = options
  const program = await JavaProgram.start(mainClass, args, options)
  try {
    program.end(stdin)
    const result = await program.finished(timeoutMs)
    if (!mayFail && result.exitCode !== 0) throw program.error(`ended with exit code ${result.exitCode}`)
    return result
  } finally {
    await program.kill()
  }
}

/** A main class that runs beside the test, which talks to it and listens to what it says. */
export class JavaProgram {
  readonly #name: string
  readonly #workspace: Workspace
  readonly #process: ChildProcess
  readonly #waiting = new Set<() => void>()
  #stdout = ''
  #stderr = ''
  #result: JavaResult | null = null

  static async start (mainClass: string, args: readonly string[], options: JavaOptions = {}): Promise<JavaProgram> {
    const { version = '4.3', files = {}, javaOptions = ['-Xmx256m', ...QUICK_START] } = options
    const workspace = Workspace.create('java')
    for (const [name, content] of Object.entries(files)) writeFileSync(join(workspace.path, name), content)
    const child = await workspace.spawn('java', [
      ...javaOptions, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', classPath(version), mainClass, ...args
    ], { stdio: 'pipe' })
    return new JavaProgram(mainClass, workspace, child)
  }

  private constructor (mainClass: string, workspace: Workspace, child: ChildProcess) {
    this.#name = mainClass
    this.#workspace = workspace
    this.#process = child
    const out = new StringDecoder()
    const err = new StringDecoder()
    child.stdout?.on('data', (chunk: Buffer) => this.#heard(() => { this.#stdout += out.write(chunk) }))
    child.stderr?.on('data', (chunk: Buffer) => this.#heard(() => { this.#stderr += err.write(chunk) }))
    // A program that ends without reading everything is judged by its exit code.
    child.stdin?.on('error', () => {})
    // Not 'exit': what was written before the end may not have been read by then.
    child.once('close', exitCode => this.#heard(() => { this.#result = { exitCode, stdout: this.#stdout, stderr: this.#stderr } }))
  }

  get stdout (): string {
    return this.#stdout
  }

  get stderr (): string {
    return this.#stderr
  }

  get isRunning (): boolean {
    return this.#result === null
  }

  write (text: string | Buffer): void {
    this.#process.stdin?.write(text)
  }

  /** Writes the last that there is to read. */
  end (text: string | Buffer = ''): void {
    this.#process.stdin?.end(text)
  }

  /**
   * Waits until `isSaid` likes what was written so far.
   * @throws {Error} when the program ends before, or too much time passes.
   */
  async waitFor (isSaid: (stdout: string, stderr: string) => boolean, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<void> {
    await this.#wait(() => {
      if (isSaid(this.#stdout, this.#stderr)) return true
      if (this.#result !== null) throw this.error('ended before it said what was waited for')
      return false
    }, timeoutMs)
  }

  /** Waits for the end. @throws {Error} when it takes too long */
  async finished (timeoutMs = DEFAULT_TIMEOUT_MS): Promise<JavaResult> {
    await this.#wait(() => this.#result !== null, timeoutMs)
    if (this.#result === null) throw new Error('not finished')
    return this.#result
  }

  /** SIGKILL, if it still runs; its files are removed. */
  async kill (): Promise<void> {
    await this.#workspace.remove()
  }

  error (what: string): Error {
    return new Error(`${this.#name} ${what}\nstdout: ${this.#stdout.slice(-TAIL_CHARACTERS)}\nstderr: ${this.#stderr.slice(-TAIL_CHARACTERS)}`)
  }

  async #wait (isOver: () => boolean, timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    let check = (): void => {}
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => reject(this.error(`took more than ${timeoutMs} ms`)), timeoutMs)
        check = () => {
          try {
            if (isOver()) resolve()
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)))
          }
        }
        this.#waiting.add(check)
        check()
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(check)
    }
  }

  #heard (take: () => void): void {
    take()
    if (Math.max(this.#stdout.length, this.#stderr.length) > MAX_OUTPUT_CHARACTERS) {
      this.#process.kill('SIGKILL')
      this.#stderr += `\nended by the test: more than ${MAX_OUTPUT_CHARACTERS} characters of output`
    }
    for (const check of this.#waiting) check()
  }
}
