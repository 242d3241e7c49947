/** One line on a terminal that says how far something is. Where stderr is no terminal it says nothing: lines there are for keeps. */
import type { Terminal } from './terminal.ts'
import { printable } from './views/printable.ts'

const CLEAR_LINE = '\r\u001b[2K'

export class Progress {
  readonly #terminal: Terminal
  #isShown = false

  constructor (terminal: Terminal) {
    this.#terminal = terminal
  }

  show (text: string): void {
    if (!this.#terminal.isErrTty) return
    this.#terminal.err(`${CLEAR_LINE}${printable(text)}`)
    this.#isShown = true
  }

  /** Takes the line away, before anything else is written. */
  clear (): void {
    if (!this.#isShown) return
    this.#terminal.err(CLEAR_LINE)
    this.#isShown = false
  }
}
