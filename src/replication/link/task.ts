import type { TaskState, TaskStatus } from '../link-service.ts'

/** What a task of a link is doing, for the status. Its time changes with its state, not with every run. */
export class Task {
  readonly name: string
  readonly #wallClock: () => Date
  #state: TaskState = 'NOT_RUNNING'
  #reason: string
  #since: Date

  constructor (name: string, wallClock: () => Date) {
    this.name = name
    this.#wallClock = wallClock
    this.#reason = `${name} has not run yet`
    this.#since = wallClock()
  }

  set (state: TaskState, reason: string): void {
    if (state !== this.#state) this.#since = this.#wallClock()
    this.#state = state
    this.#reason = reason
  }

  get status (): TaskStatus {
    return { name: this.name, state: this.#state, reason: this.#reason, since: this.#since.toISOString() }
  }
}
