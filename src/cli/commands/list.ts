import type { Command } from 'commander'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { listJson, listText } from '../views/list-view.ts'
import { printable } from '../views/printable.ts'

export function addListCommand (program: Command, cli: Cli): void {
  addAdmin(program.command('list').description('list the links'))
    .addHelpText('after', `
LAG-SECONDS is how many seconds of data are at risk in the worst partition; - means that it is not known.

Examples:
  kshadow list
  kshadow list --output json --admin 10.0.0.7:9644
`)
    .action(async (_options: unknown, command: Command) => {
      const options = adminOptions.parse(command.opts())
      const client = adminClient(cli, options)
      const links = await client.list()
      // A link of the engine's own configuration that cannot be created is in no list.
      const { engine } = await client.readiness()
      if (engine.reason !== '') cli.terminal.err(`kshadow: the engine says: ${printable(engine.reason)}\n`)
      if (links.length === 0) cli.terminal.err('there are no links; `kshadow create -c FILE` makes one\n')
      if (options.output === 'json') printJson(cli, listJson(links))
      else cli.terminal.out(listText(links))
    })
}
