/**
 * A temporary folder, and processes that work in it. Neither outlives this process, however it ends: a shell waits at the
 * other end of a pipe that the kernel closes with us, ends the processes and removes the folder.
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** `$0` is the folder. The processes are killed twice: one may have been started while the first round went on. */
const WATCH = `
trap '' INT TERM HUP
cat > /dev/null
for round in 1 2; do
  for file in "$0"/*.pid; do
    [ -e "$file" ] && kill -KILL "$(cat "$file")" 2> /dev/null
  done
  sleep 0.1
done
rm -rf -- "$0"
`

export class Workspace {
  readonly path: string
  readonly #watchdog: ChildProcess
  readonly #running = new Map<ChildProcess, Promise<void>>()

  /** `name` becomes part of the folder's name. */
  static create (name: string): Workspace {
    return new Workspace(mkdtempSync(join(tmpdir(), `kafka-shadow-${name}-`)))
  }

  private constructor (path: string) {
    this.path = path
    // In a session of its own: what ends us from the terminal does not end it.
    this.#watchdog = spawn('sh', ['-c', WATCH, path], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    this.#watchdog.unref()
    if (this.#watchdog.stdin instanceof Socket) this.#watchdog.stdin.unref()
  }

  /** Starts a process in the folder, at the head of a process group. @throws when it cannot be started */
  async spawn (command: string, args: readonly string[], options: Omit<SpawnOptions, 'cwd' | 'detached'> = {}): Promise<ChildProcess> {
    const child = spawn(command, args, { ...options, cwd: this.path, detached: true })
    // Registered in the same turn as the start: an end is not missed.
    const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('spawn', resolve)
    })
    const pidFile = join(this.path, `${child.pid}.pid`)
    if (child.exitCode === null && child.signalCode === null) {
      writeFileSync(pidFile, String(child.pid))
      this.#running.set(child, exited)
    }
    child.once('exit', () => {
      this.#running.delete(child)
      // The number may soon belong to somebody else.
      rmSync(pidFile, { force: true })
    })
    return child
  }

  /** Ends every process that still runs, and removes the folder. */
  async remove (): Promise<void> {
    const ended = [...this.#running.values()]
    for (const child of this.#running.keys()) child.kill('SIGKILL')
    await Promise.all(ended)
    this.#watchdog.kill('SIGKILL')
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 })
  }
}
