import type { Command } from 'commander'
import { z } from 'zod'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { describeJson, describeText } from '../views/describe-view.ts'

const optionsSchema = adminOptions.extend({
  printOverview: z.boolean().optional(),
  printClient: z.boolean().optional(),
  printTopic: z.boolean().optional(),
  printConsumerGroup: z.boolean().optional(),
  printSecurity: z.boolean().optional(),
  printRegistry: z.boolean().optional(),
  printAll: z.boolean().optional()
})

export function addDescribeCommand (program: Command, cli: Cli): void {
  addAdmin(program.command('describe').description('show how a link is configured').argument('<link>', 'name of the link')
    .option('-o, --print-overview', 'show the overview')
    .option('-c, --print-client', 'show how the source is reached')
    .option('-t, --print-topic', 'show which topics are shadowed')
    .option('-r, --print-consumer-group', 'show which consumer groups are shadowed')
    .option('-s, --print-security', 'show which ACLs, quotas and users are shadowed')
    .option('-y, --print-registry', 'show how schemas get to the shadow')
    .option('-a, --print-all', 'show all of it'))
    .addHelpText('after', `
Without a section, the overview and the client configuration are shown.

Examples:
  kshadow describe my-link
  kshadow describe my-link --print-all --output json
`)
    .action(async (link: string, _options: unknown, command: Command) => {
      const options = optionsSchema.parse(command.opts())
      const all = options.printAll ?? false
      const chosen = {
        overview: options.printOverview ?? all,
        client: options.printClient ?? all,
        topics: options.printTopic ?? all,
        groups: options.printConsumerGroup ?? all,
        security: options.printSecurity ?? all,
        schemas: options.printRegistry ?? all
      }
      const sections = Object.values(chosen).includes(true) ? chosen : { ...chosen, overview: true, client: true }
      const status = await adminClient(cli, options).status(link)
      if (options.output === 'json') printJson(cli, describeJson(status, sections))
      else cli.terminal.out(describeText(status, sections))
    })
}
