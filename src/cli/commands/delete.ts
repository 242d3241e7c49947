import type { Command } from 'commander'
import { z } from 'zod'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { confirm } from '../confirm.ts'
import { EXIT_FAILURE } from '../report-error.ts'
import { isWritable } from '../../state/topic-state.ts'
import { printable } from '../views/printable.ts'
import { formatTable } from '../views/table.ts'

const optionsSchema = adminOptions.extend({ force: z.boolean().optional(), confirm: z.boolean() })

export function addDeleteCommand (program: Command, cli: Cli): void {
  addAdmin(program.command('delete').description('delete a link; its topics stay, as ordinary topics').argument('<link>', 'name of the link')
    .option('-f, --force', 'do not ask, and delete it while it has live shadow topics: they are failed over first, and are writable then')
    .option('--no-confirm', 'do not ask'))
    .addHelpText('after', `
A link with live shadow topics is not deleted unless it is forced. No data is removed from either cluster.

Examples:
  kshadow delete my-link
  kshadow delete my-link --force
`)
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = optionsSchema.parse(command.opts())
      const { terminal } = cli
      const client = adminClient(cli, options)
      const force = options.force ?? false
      if (options.confirm && !force) {
        const link = await client.status(name)
        const live = link.topics.filter(topic => topic.owned && !isWritable(topic.state))
        terminal.err(`Link Name: ${printable(link.name)}\nUID: ${printable(link.uid)}\n`)
        if (live.length > 0) terminal.err(formatTable([['SHADOW TOPIC', 'STATE'], ...live.slice(0, 10).map(topic => [topic.name, topic.state]), ...(live.length > 10 ? [[`and ${live.length - 10} more`]] : [])]))
        if (!await confirm('Delete this shadow link?', terminal, { flag: '--no-confirm' })) {
          terminal.err('nothing was deleted\n')
          cli.exitCode = EXIT_FAILURE
          return
        }
      }
      await client.delete(name, { force })
      if (options.output === 'json') printJson(cli, { name, deleted: true })
      else terminal.out(`Shadow Link "${printable(name)}" deleted successfully\n`)
    })
}
