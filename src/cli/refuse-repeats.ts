import type { Command } from 'commander'
import { UsageError } from './usage-error.ts'

/** The last one counts, as in other programs: they are about how something is shown, or how long it is waited for. */
const HARMLESS: ReadonlySet<string> = new Set(['output', 'format', 'log-level', 'kind', 'timeout', 'watch'])

/** Refuses options with one value that are given twice: the first would be dropped in silence, and something else be done than was said. */
export function refuseRepeats (command: Command): void {
  for (const option of command.options) {
    const takesOne = (option.required || option.optional) && !option.variadic
    if (!takesOne || HARMLESS.has(option.name())) continue
    const name = option.name()
    const instead = name === 'topic' && command.options.some(other => other.name() === 'filter') ? ": several topics are given with --filter, as in --filter orders 'payments.*'" : ''
    let given = 0
    command.on(`option:${name}`, () => {
      given++
      if (given > 1) throw new UsageError(`--${name} was given more than once, and takes one value${instead}`)
    })
  }
  for (const subcommand of command.commands) refuseRepeats(subcommand)
}
