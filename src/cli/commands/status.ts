import type { Command } from 'commander'
import { z } from 'zod'
import { parseDuration } from '../../config/duration.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import { sleep } from '../../net/sleep.ts'
import { mayPass, type AdminClient } from '../admin-client.ts'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { EXIT_FAILURE } from '../report-error.ts'
import { UsageError } from '../usage-error.ts'
import { printable } from '../views/printable.ts'
import { statusJson, type Sections } from '../views/status-json.ts'
import { statusText } from '../views/status-text.ts'

const optionsSchema = adminOptions.extend({
  printOverview: z.boolean().optional(),
  printTask: z.boolean().optional(),
  printTopic: z.boolean().optional(),
  printGroup: z.boolean().optional(),
  printRegistry: z.boolean().optional(),
  printAll: z.boolean().optional(),
  watch: z.string().optional()
})

const DEFAULT_INTERVAL = '2s'
const MIN_INTERVAL_MS = 100
const CLEAR_SCREEN = '\u001b[H\u001b[2J\u001b[3J'

export function addStatusCommand (program: Command, cli: Cli): void {
  addAdmin(program.command('status').description('show how far a link is, and what is wrong with it').argument('<link>', 'name of the link')
    .option('-o, --print-overview', 'show the overview')
    .option('-k, --print-task', 'show the tasks')
    .option('-t, --print-topic', 'show the topics and their partitions')
    .option('-g, --print-group', 'show every consumer group and its members')
    .option('-y, --print-registry', 'show what was copied between schema registries')
    .option('-a, --print-all', 'show all of it, of consumer groups a summary, which is the default')
    .option('--watch [interval]', `show it again and again, until Ctrl-C; --watch=5s changes how often (default: ${DEFAULT_INTERVAL})`))
    .addHelpText('after', `
SRC-LSO and SRC-HWM are the last stable offset and the high watermark of the source as last seen, DST-HWM is the end
of the shadow, LAG is the records that the shadow has not. - means that a number is not known.
--watch goes on while nobody answers, and ends where there is no such link (any more).

Examples:
  kshadow status my-link
  kshadow status my-link -t --watch=1s
  kshadow status my-link --output json | jq '.topics[] | select(.state == "FAULTED")'
`)
    .action(async (link: string, _options: unknown, command: Command) => {
      const options = optionsSchema.parse(command.opts())
      const all = options.printAll ?? false
      const { printOverview, printTask, printTopic, printRegistry, printGroup = false } = options
      const isChosen = [all, printOverview, printTask, printTopic, printRegistry, printGroup].includes(true)
      const sections: Sections = {
        overview: !isChosen || (printOverview ?? all),
        tasks: !isChosen || (printTask ?? all),
        topics: !isChosen || (printTopic ?? all),
        schemas: !isChosen || (printRegistry ?? all),
        groups: printGroup ? 'all' : all || !isChosen ? 'summary' : 'none'
      }
      const client = adminClient(cli, options)
      if (options.watch !== undefined) {
        await watch(cli, client, link, { sections, intervalMs: intervalMs(options.watch), json: options.output === 'json' })
        return
      }
      const status = await client.status(link)
      if (options.output === 'json') printJson(cli, statusJson(status, sections))
      else cli.terminal.out(statusText(status, sections))
    })
}

/** `--watch link` would else take the link for the interval. */
export function withWatchInterval (argv: readonly string[]): string[] {
  const end = argv.indexOf('--')
  return argv.map((argument, index) => argument === '--watch' && (end < 0 || index < end) ? `--watch=${DEFAULT_INTERVAL}` : argument)
}

function intervalMs (text: string): number {
  const ms = parseDuration(text)
  if (ms === null || ms < MIN_INTERVAL_MS) throw new UsageError(`--watch: ${JSON.stringify(text)}: expected a duration of at least ${MIN_INTERVAL_MS}ms, such as --watch=5s`)
  return ms
}

interface WatchOptions {
  readonly sections: Sections
  readonly intervalMs: number
  readonly json: boolean
}

/**
 * Until a signal ends it, or what cannot pass. What cannot be asked is said to be so: a picture of before must not pass for one of now.
 * @throws {AdminError} where the link is gone; {ShadowError} VERSION_UNSUPPORTED where no kshadow answers the first look
 */
async function watch (cli: Cli, client: AdminClient, link: string, { sections, intervalMs, json }: WatchOptions): Promise<void> {
  const { terminal } = cli
  for (let isFirst = true; ; isFirst = false) {
    let text: string
    try {
      const status = await client.status(link)
      text = json ? JSON.stringify(statusJson(status, sections)) : statusText(status, sections)
      cli.exitCode = 0
    } catch (error) {
      terminal.signal.throwIfAborted()
      if (!mayPass(error) || (isFirst && error instanceof ShadowError && error.code === 'VERSION_UNSUPPORTED')) throw error
      cli.exitCode = EXIT_FAILURE
      text = ''
      if (terminal.isOutTty) terminal.out(CLEAR_SCREEN)
      terminal.err(`${new Date().toISOString()} nothing is known at the moment: ${printable(messageOf(error))}\n`)
    }
    if (json && text !== '') terminal.out(`${text}\n`)
    else if (text !== '') terminal.out(terminal.isOutTty ? `${CLEAR_SCREEN}${text}` : `${new Date().toISOString()}\n${text}\n`)
    await sleep(intervalMs, terminal.signal)
  }
}
