/** What all commands share: the options that each of them takes, and the way to a running kshadow. */
import { userInfo } from 'node:os'
import { Option, type Command } from 'commander'
import { z } from 'zod'
import { AdminClient } from './admin-client.ts'
import { parseAdminAddress } from './admin-address.ts'
import { formatHostPort } from '../net/host-port.ts'
import type { Terminal } from './terminal.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const

/** One call of the program. */
export interface Cli {
  readonly terminal: Terminal
  /** How it ends, unless something is thrown. */
  exitCode: number
}

export const outputOptions = z.object({ output: z.enum(['text', 'json']) })

export const adminOptions = outputOptions.extend({ admin: z.string().optional() })

export function addLogLevel (command: Command): Command {
  return command.addOption(new Option('--log-level <level>', 'how much is logged; debug shows where an error comes from').choices(LOG_LEVELS))
}

/** `--output`, for a command that has data to show; `--format` is what rpk calls it. */
export function addOutput (command: Command): Command {
  const formats = ['text', 'json']
  return addLogLevel(command.addOption(new Option('--output <format>', 'how data is shown on stdout').choices(formats).default('text'))
    .addOption(new Option('--format <format>').choices(formats).hideHelp())
    .on('option:format', (format: string) => command.setOptionValue('output', format)))
}

/** The options of a command that asks a running kshadow. */
export function addAdmin (command: Command): Command {
  return addOutput(command.option('--admin <address>', 'admin port of a running kshadow, as host:port (env: KSHADOW_ADMIN; default: 127.0.0.1:9644)'))
}

/** @throws {UsageError} for an address that is none */
export function adminClient ({ terminal }: Cli, { admin }: { readonly admin?: string | undefined }): AdminClient {
  const fromEnvironment = terminal.env['KSHADOW_ADMIN']
  const address = parseAdminAddress(admin ?? (fromEnvironment === '' ? undefined : fromEnvironment))
  return new AdminClient({
    address,
    signal: terminal.signal,
    user: systemUser(),
    onRedirected: leader => terminal.err(`kshadow: sent to the engine that leads, at ${formatHostPort(leader)}\n`),
    onUnanswered: () => terminal.err('kshadow: what was asked for may be carried out all the same: look at the status before you repeat it\n')
  })
}

/** Null for a user that the system has no name for, as in many containers. */
function systemUser (): string | null {
  try {
    return userInfo().username
  } catch {
    return null
  }
}

/** Data as JSON: indented for people, who are the ones that see it when they do not pipe it. */
export function printJson ({ terminal }: Cli, value: unknown): void {
  terminal.out(`${JSON.stringify(value, null, 2)}\n`)
}
