/** How a command ends: exit codes, and what is said of an error. */
import { problem, type Problem } from '../admin/problem.ts'
import { ConfigError } from '../config/config-error.ts'
import { KafkaError, messageOf } from '../errors.ts'
import { AdminError } from './admin-client.ts'
import { OutputError, SignalError, type Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'
import { printable } from './views/printable.ts'

export const EXIT_OK = 0
export const EXIT_FAILURE = 1
/** Wrong usage, or a configuration that is not valid. */
export const EXIT_USAGE = 2

export interface ReportOptions {
  /** Errors as problem documents, as the admin port has them. */
  readonly json: boolean
  /** With the stack: for those who look for a defect. */
  readonly debug: boolean
}

/** Says on stderr what went wrong, and returns the exit code that fits. */
export function reportError (error: unknown, terminal: Terminal, { json, debug }: ReportOptions): number {
  if (error instanceof SignalError) return error.exitCode
  const what = problemOfError(error)
  if (json) terminal.err(`${JSON.stringify(what)}\n`)
  else for (const line of linesOf(what, error)) terminal.err(`kshadow: ${line}\n`)
  if (debug && error instanceof Error) terminal.err(`${printable(error.stack ?? '', { keepNewlines: true })}\n${causeOf(error)}`)
  return what.code === 'CONFIG_INVALID' || what.code === 'USAGE' ? EXIT_USAGE : EXIT_FAILURE
}

function problemOfError (error: unknown): Problem {
  if (error instanceof AdminError) return error.problem
  if (error instanceof ConfigError) return { ...problem('CONFIG_INVALID', error.message), problems: error.problems }
  if (error instanceof UsageError) return { title: 'Wrong usage', status: 400, code: 'USAGE', detail: error.message }
  if (error instanceof OutputError) return { title: 'The output is lost', status: 500, code: 'OUTPUT', detail: error.message }
  if (error instanceof KafkaError && error.code !== 'INVARIANT') return { ...problem('INTERNAL', error.message), title: 'The command failed', code: String(error.code) }
  return problem('INTERNAL', `unexpected error: ${messageOf(error)}. This is a defect of kafka-shadow: --log-level debug shows where`)
}

function linesOf (what: Problem, error: unknown): string[] {
  const lines = what.detail.split('\n').map(line => printable(line))
  if (error instanceof AdminError && what.code === 'NOT_FOUND' && what.detail.startsWith('there is no link')) lines.push('`kshadow list` shows the links there are')
  return lines
}

function causeOf (error: Error): string {
  return error.cause instanceof Error ? `caused by ${printable(error.cause.stack ?? '', { keepNewlines: true })}\n` : ''
}
