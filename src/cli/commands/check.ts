import type { Command } from 'commander'
import { z } from 'zod'
import { linkDocument, parseLinkYaml } from '../../config/link-config.ts'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { readConfigFile } from '../config-file.ts'
import { EXIT_FAILURE, EXIT_OK } from '../report-error.ts'
import { checkJson, checkText } from '../views/check-view.ts'

const optionsSchema = adminOptions.extend({ configFile: z.string() })

export function addCheckCommand (program: Command, cli: Cli): void {
  addAdmin(program.command('check').description('look at all that a link needs, and say what to do where something is missing')
    .requiredOption('-c, --config-file <file>', 'YAML file of the link'))
    .addHelpText('after', `
The kshadow that runs looks: at both clusters, at the topics that the filters select, and at the append mode that the link
would come to. Nothing is created. Exits with 0 when nothing failed; a warning is something to know of.

Examples:
  kshadow check -c link.yaml
  kshadow check -c link.yaml --output json
`)
    .action(async (_options: unknown, command: Command) => {
      const options = optionsSchema.parse(command.opts())
      const config = parseLinkYaml(await readConfigFile(options.configFile), options.configFile)
      const lines = await adminClient(cli, options).check(linkDocument(config))
      if (options.output === 'json') printJson(cli, checkJson(lines))
      else cli.terminal.out(checkText(lines))
      cli.exitCode = lines.some(({ verdict }) => verdict === 'failed') ? EXIT_FAILURE : EXIT_OK
    })
}
