/** Programs that are no Java: they run beside the test, which writes to them and listens to what they say. */
import type { ChildProcess } from 'node:child_process'
import { Workspace } from './workspace.ts'

const TAIL_CHARACTERS = 4000

/** kcat and the like: one line in, one line out. */
export class Program {
  readonly #command: string
  readonly #workspace: Workspace
  readonly #process: ChildProcess
  /** What was written before the end may not have been read at the end. */
  readonly #closed: Promise<void>
  /** stdout and stderr, as they came: a line of the one may be in the middle of a line of the other. */
  output = ''
  stdout = ''

  /** @throws when there is no such program */
  static async start (command: string, args: readonly string[]): Promise<Program> {
    const workspace = Workspace.create('program')
    try {
      return new Program(command, workspace, await workspace.spawn(command, args, { stdio: 'pipe' }))
    } catch (error) {
      await workspace.remove()
      throw error
    }
  }

  private constructor (command: string, workspace: Workspace, child: ChildProcess) {
    this.#command = command
    this.#workspace = workspace
    this.#process = child
    // A character may come in two pieces.
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => { this.output += text })
    child.stdout?.on('data', (text: string) => { this.stdout += text })
    this.#closed = new Promise(resolve => child.once('close', () => resolve()))
    child.stdin?.on('error', () => {})
  }

  get isRunning (): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  write (text: string): void {
    this.#process.stdin?.write(text)
  }

  /** Ends its stdin and waits for its end. Returns the exit code. */
  async end (): Promise<number | null> {
    this.#process.stdin?.end()
    await this.#closed
    return this.#process.exitCode
  }

  error (what: string): Error {
    return new Error(`${this.#command} ${what}\n${this.output.slice(-TAIL_CHARACTERS)}`)
  }

  async kill (): Promise<void> {
    await this.#workspace.remove()
  }
}
