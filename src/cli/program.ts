/** `kshadow`: its commands put together, and what becomes of their errors. */
import { Command, CommanderError } from 'commander'
import { addAuditCommand } from './commands/audit.ts'
import { addCheckCommand } from './commands/check.ts'
import { addConfigCommand } from './commands/config.ts'
import { addCreateCommand } from './commands/create.ts'
import { addDeleteCommand } from './commands/delete.ts'
import { addDescribeCommand } from './commands/describe.ts'
import { addFailoverCommand } from './commands/failover.ts'
import { addListCommand } from './commands/list.ts'
import { addPauseCommands } from './commands/pause.ts'
import { addPromoteCommand } from './commands/promote.ts'
import { addRunCommand } from './commands/run.ts'
import { addStatusCommand, withWatchInterval } from './commands/status.ts'
import { addTopicCommand } from './commands/topic.ts'
import { addUpdateCommand } from './commands/update.ts'
import { addVerifyCommand } from './commands/verify.ts'
import type { Cli } from './cli.ts'
import { refuseRepeats } from './refuse-repeats.ts'
import { EXIT_OK, EXIT_USAGE, reportError } from './report-error.ts'
import { OutputError, type Terminal } from './terminal.ts'
import { packageVersion } from './version.ts'

const EXAMPLES = `
Examples:
  kshadow config generate --run > kshadow.yaml     a sample of the file for 'run', to edit
  kshadow config check kshadow.yaml                what is wrong with it, if anything
  kshadow run -c kshadow.yaml                      engine, sidecar and admin port
  kshadow check -c link.yaml                       whether a link can work, and what to do where not
  kshadow create -c link.yaml                      a link, on a kshadow that runs
  kshadow status my-link --watch                   how far it is
  kshadow promote my-link --all                    the shadow takes over from a source that is alive
  kshadow failover my-link --all                   the shadow takes over

Data goes to stdout; logs, progress and errors go to stderr. Exit codes: 0 success, 1 failure,
2 wrong usage or a configuration that is not valid, 130 and 143 when ended by a signal, 141 when nobody reads on.
`

/** Runs one command line, without the name of the program. @returns the exit code */
export async function runCli (argv: readonly string[], terminal: Terminal): Promise<number> {
  const cli: Cli = { terminal, exitCode: EXIT_OK }
  const report = { json: false, debug: false }
  const program = new Command('kshadow')
    .description('kafka-shadow: a byte-exact, read-only shadow of a Kafka cluster on another one, ready to take over.')
    .version(packageVersion(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', EXAMPLES)
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err, outputError: (text, write) => write(text.replace(/^error: /, 'kshadow: ')) })
    .showHelpAfterError('(--help shows how it is used)')
    .exitOverride()
    .hook('preAction', (_program, command) => {
      const { output, logLevel }: Record<string, unknown> = command.opts()
      report.json = output === 'json'
      report.debug = logLevel === 'debug' || logLevel === 'trace'
    })
  addRunCommand(program, cli)
  addConfigCommand(program, cli)
  addCheckCommand(program, cli)
  addCreateCommand(program, cli)
  addListCommand(program, cli)
  addDescribeCommand(program, cli)
  addStatusCommand(program, cli)
  addUpdateCommand(program, cli)
  addPauseCommands(program, cli)
  addTopicCommand(program, cli)
  addPromoteCommand(program, cli)
  addFailoverCommand(program, cli)
  addVerifyCommand(program, cli)
  addDeleteCommand(program, cli)
  addAuditCommand(program, cli)
  refuseRepeats(program)
  try {
    await program.parseAsync(withWatchInterval(argv), { from: 'user' })
    if (terminal.signal.reason instanceof OutputError) throw terminal.signal.reason
    return cli.exitCode
  } catch (error) {
    const reason: unknown = terminal.signal.aborted ? terminal.signal.reason : error
    if (error instanceof CommanderError && !(reason instanceof OutputError)) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    return reportError(reason, terminal, report)
  }
}
