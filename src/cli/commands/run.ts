import type { Command } from 'commander'
import { z } from 'zod'
import { parseRunYaml } from '../../config/run-config.ts'
import { addLogLevel, LOG_LEVELS, type Cli } from '../cli.ts'
import { readConfigFile } from '../config-file.ts'
import { EXIT_FAILURE } from '../report-error.ts'

const optionsSchema = z.object({ config: z.string(), logLevel: z.enum(LOG_LEVELS).optional() })

export function addRunCommand (program: Command, cli: Cli): void {
  addLogLevel(program.command('run').description('run the engine, the sidecar and the admin port, each unless it is switched off')
    .requiredOption('-c, --config <file>', 'YAML file; `kshadow config generate --run` prints one to start from'))
    .addHelpText('after', `
Runs until SIGTERM or Ctrl-C, which end it in good order; a second one ends it at once. Logs go to stderr, as JSON
unless that is a terminal.

Examples:
  kshadow run -c kshadow.yaml
  kshadow run -c kshadow.yaml --log-level debug 2> kshadow.log
`)
    .action(async (_options: unknown, command: Command) => {
      const options = optionsSchema.parse(command.opts())
      const config = parseRunYaml(await readConfigFile(options.config), options.config)
      // All that runs is loaded here, so that the other commands need not wait for it.
      const { runUntilEnded } = await import('../running-parts.ts')
      const { createLogger } = await import('../../observability/logger.ts')
      const { withoutStacks } = await import('../log-fields.ts')
      const level = options.logLevel ?? config.logLevel
      const logger = createLogger({ level, pretty: cli.terminal.isErrTty })
      const isForDefects = level === 'debug' || level === 'trace'
      await runUntilEnded(config, { logger: isForDefects ? logger : withoutStacks(logger), signal: cli.terminal.signal, onOverdue: () => process.exit(EXIT_FAILURE) })
    })
}
