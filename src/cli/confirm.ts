import type { Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/**
 * Asks on stderr, and takes nothing but a yes for a yes.
 * @throws {UsageError} where there is nobody to ask; `flag` is what says yes beforehand
 */
export async function confirm (question: string, terminal: Terminal, { flag }: { readonly flag: string }): Promise<boolean> {
  if (!terminal.isInTty) throw new UsageError(`this needs to be confirmed, and there is no terminal to ask at: give ${flag}`)
  terminal.err(`${question} [y/N] `)
  const answer = await terminal.readLine(terminal.signal)
  if (answer === null) terminal.err('\n')
  terminal.signal.throwIfAborted()
  return answer !== null && /^\s*y(es)?\s*$/i.test(answer)
}
