import type { Command } from 'commander'
import { z } from 'zod'
import type { LinkStatus, PauseSelection } from '../../replication/link-service.ts'
import type { AdminClient } from '../admin-client.ts'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { addSelection, chosenOf, selectionOptions } from '../topic-selection.ts'
import { UsageError } from '../usage-error.ts'
import { printable } from '../views/printable.ts'

const optionsSchema = adminOptions.extend({ ...selectionOptions.shape, task: z.string().optional() })

interface PauseWords {
  readonly name: string
  readonly description: string
  readonly help: string
  readonly done: string
  readonly begin: (client: AdminClient, link: string, what: PauseSelection) => Promise<LinkStatus>
}

export function addPauseCommands (program: Command, cli: Cli): void {
  addPauseCommand(program, cli, {
    name: 'pause',
    description: 'stop copying topics, running a task, or both for a whole link, until it is resumed',
    help: `
A topic that is paused stays read-only and keeps what it has; its lag goes on being shown. It can be failed over, and a
promotion resumes it. With --all, the tasks of the link are paused, too, and nothing new is shadowed.

Examples:
  kshadow pause my-link --all
  kshadow pause my-link --filter orders 'payments.*'
  kshadow pause my-link --task "Source Topic Sync"
`,
    done: 'paused',
    begin: (client, link, what) => client.pause(link, what)
  })
  addPauseCommand(program, cli, {
    name: 'resume',
    description: 'go on with what was paused',
    help: `
With --all that is what 'pause --all' has paused: topics and tasks that were paused one by one are resumed one by one.

Examples:
  kshadow resume my-link --all
  kshadow resume my-link --topic orders
`,
    done: 'resumed',
    begin: (client, link, what) => client.resume(link, what)
  })
}

function addPauseCommand (program: Command, cli: Cli, { name, description, help, done, begin }: PauseWords): void {
  const command = program.command(name).description(description).argument('<link>', 'name of the link')
  addAdmin(addSelection(command, { topic: `${name} this topic`, all: `${name} the whole link` }).option('--task <task>', `${name} this task; \`kshadow status\` shows their names`))
    .addHelpText('after', help)
    .action(async (link: string, _options: unknown, called: Command) => {
      const options = optionsSchema.parse(called.opts())
      const chosen = chosenOf(options)
      if ((chosen === null) === (options.task === undefined)) throw new UsageError('give one of --topic TOPIC, --filter PATTERN…, --task TASK and --all')
      const status = await begin(adminClient(cli, options), link, chosen === null ? { task: options.task ?? '' } : chosen.selection)
      const what = chosen === null ? `task ${printable(options.task ?? '')}` : chosen.isWholeLink ? 'all' : chosen.text
      if (options.output === 'json') {
        printJson(cli, { name: link, state: status.state, paused_at: status.pausedAt, topics: status.topics.filter(topic => topic.owned && chosen?.includes(topic.name) === true).map(topic => ({ name: topic.name, state: topic.state })) })
      } else cli.terminal.out(`Successfully ${done} ${what} of shadow link "${printable(link)}".\n`)
    })
}
