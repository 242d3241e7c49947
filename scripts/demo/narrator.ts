/** Tells the demo's story on stdout: numbered steps, what was run, what it printed, how long it took. */

const isTty = process.stdout.isTTY

function style (code: number, text: string): string {
  return isTty ? `\u001b[${code}m${text}\u001b[0m` : text
}

export class Narrator {
  #step = 0
  #startedAtMs = performance.now()

  title (text: string): void {
    console.log(`\n${style(1, text)}`)
  }

  step (text: string): void {
    this.#step++
    this.#startedAtMs = performance.now()
    console.log(`\n${style(1, `${this.#step}. ${text}`)}`)
  }

  say (text: string): void {
    console.log(`   ${text}`)
  }

  /** Says it with the time since the step began. */
  done (text: string): void {
    const ms = performance.now() - this.#startedAtMs
    console.log(`   ${text} ${style(2, `(${ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`})`)}`)
  }

  command (args: readonly string[]): void {
    console.log(`   ${style(36, `$ kshadow ${args.join(' ')}`)}`)
  }

  output (text: string): void {
    for (const line of text.trimEnd().split('\n')) console.log(`   ${style(2, '|')} ${line}`)
  }
}
