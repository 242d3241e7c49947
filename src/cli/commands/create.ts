import type { Command } from 'commander'
import { z } from 'zod'
import { linkDocument, parseLinkYaml } from '../../config/link-config.ts'
import { formatHostPort } from '../../net/host-port.ts'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { readConfigFile } from '../config-file.ts'
import { confirm } from '../confirm.ts'
import { EXIT_FAILURE } from '../report-error.ts'

const optionsSchema = adminOptions.extend({ configFile: z.string(), confirm: z.boolean(), dryRun: z.boolean().optional() })

export function addCreateCommand (program: Command, cli: Cli): void {
  addAdmin(program.command('create').description('create a link')
    .requiredOption('-c, --config-file <file>', 'YAML file of the link; `kshadow config generate` prints one to start from')
    .option('--no-confirm', 'do not ask')
    .option('--dry-run', 'check the file, the source and the shadow cluster, and create nothing'))
    .addHelpText('after', `
Examples:
  kshadow create -c link.yaml
  kshadow create -c link.yaml --dry-run
  kshadow create -c link.yaml --no-confirm --output json
`)
    .action(async (_options: unknown, command: Command) => {
      const options = optionsSchema.parse(command.opts())
      const { terminal } = cli
      const config = parseLinkYaml(await readConfigFile(options.configFile), options.configFile)
      const client = adminClient(cli, options)
      const dryRun = options.dryRun ?? false
      if (!dryRun && options.confirm) {
        terminal.err(`Link Name: ${config.name}\nBootstrap Servers:\n${config.clientOptions.bootstrapServers.map(server => `  - ${formatHostPort(server)}\n`).join('')}`)
        if (!await confirm('Create this shadow link?', terminal, { flag: '--no-confirm' })) {
          terminal.err('nothing was created\n')
          cli.exitCode = EXIT_FAILURE
          return
        }
      }
      const link = await client.create(linkDocument(config), { dryRun })
      const created = { name: link.name, id: dryRun ? null : link.uid, state: dryRun ? null : link.state, source_cluster_id: link.sourceClusterId, dry_run: dryRun }
      if (options.output === 'json') printJson(cli, created)
      else if (dryRun) terminal.out(`Shadow link "${link.name}" can be created: source and shadow cluster answer and have what it needs. Nothing was created.\n`)
      else terminal.out(`Successfully created shadow link "${link.name}" with ID "${link.uid}". To query the status, run:\n  'kshadow status ${link.name}'\n`)
    })
}
