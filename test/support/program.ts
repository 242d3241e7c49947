/** Programs that are no Java: they run beside the test, which writes to them and listens to what they say. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Workspace } from './workspace.ts'

/** kcat and the like: one line in, one line out. */
export class Program {
  readonly #workspace: Workspace
  readonly #process: ChildProcess
  /** stdout and stderr, as they came: a line of the one may be in the middle of a line of the other. */
  output = ''
  stdout = ''

  /** @throws when there is no such program */
  static async start (command: string, args: readonly string[]): Promise<Program> {
    const workspace = Workspace.create('program')
    try {
      return new Program(workspace, await workspace.spawn(command, args, { stdio: 'pipe' }))
    } catch (error) {
      await workspace.remove()
      throw error
    }
  }

  private constructor (workspace: Workspace, child: ChildProcess) {
    this.#workspace = workspace
    this.#process = child
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => { this.output += chunk.toString('utf8') })
    child.stdout?.on('data', (chunk: Buffer) => { this.stdout += chunk.toString('utf8') })
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
    if (this.isRunning) await once(this.#process, 'close')
    return this.#process.exitCode
  }

  async kill (): Promise<void> {
    await this.#workspace.remove()
  }
}
