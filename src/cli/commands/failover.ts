import type { Command } from 'commander'
import { z } from 'zod'
import { parseDuration } from '../../config/duration.ts'
import type { LinkStatus } from '../../replication/link-service.ts'
import { isWritable } from '../../state/topic-state.ts'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { confirm } from '../confirm.ts'
import { followFailover, type FailoverRow } from '../follow-failover.ts'
import { EXIT_FAILURE, EXIT_OK } from '../report-error.ts'
import { UsageError } from '../usage-error.ts'
import { printable } from '../views/printable.ts'
import { formatMs, UNKNOWN } from '../views/quantities.ts'
import { formatTable } from '../views/table.ts'

const optionsSchema = adminOptions.extend({
  topic: z.string().optional(),
  all: z.boolean().optional(),
  confirm: z.boolean(),
  wait: z.boolean(),
  timeout: z.string()
})

export function addFailoverCommand (program: Command, cli: Cli): void {
  addAdmin(program.command('failover').description('open shadow topics for writing, for good').argument('<link>', 'name of the link')
    .option('--topic <topic>', 'fail over this topic')
    .option('--all', 'fail over every topic of the link, and shadow nothing new')
    .option('--no-confirm', 'do not ask')
    .option('--no-wait', 'return as soon as the failover has begun')
    .option('--timeout <duration>', 'how long to wait for its end', '10m'))
    .addHelpText('after', `
Copying of the topics stops, what has arrived is kept, and the sidecar lets clients write to them. There is no way
back. Repeating the command is harmless: it goes on with what is left. Without the source it works just as well.
Exits with 0 only when every topic is FAILED_OVER (with --no-wait: when all of them have begun).

Examples:
  kshadow failover my-link --all
  kshadow failover my-link --topic orders --no-confirm
`)
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = optionsSchema.parse(command.opts())
      const { terminal } = cli
      if ((options.topic === undefined) === (options.all !== true)) throw new UsageError('give either --topic TOPIC or --all')
      const timeoutMs = parseDuration(options.timeout)
      if (timeoutMs === null || timeoutMs === 0) throw new UsageError(`--timeout: ${JSON.stringify(options.timeout)}: expected a duration such as 10m`)
      const client = adminClient(cli, options)
      const topic = options.topic ?? null
      if (options.confirm) {
        terminal.err(planText(await client.status(name), topic))
        const question = `Fail over ${topic === null ? 'all shadow topics' : `topic ${printable(topic)}`} of link "${printable(name)}"? This cannot be undone.`
        if (!await confirm(question, terminal, { flag: '--no-confirm' })) {
          terminal.err('nothing was failed over\n')
          cli.exitCode = EXIT_FAILURE
          return
        }
      }
      const begun = await client.failover(name, topic)
      const isJson = options.output === 'json'
      if (!options.wait) {
        if (isJson) printJson(cli, { link: name, done: false, topics: rowsOf(begun, topic).map(row => ({ ...row, duration_ms: null })) })
        else terminal.out(`Successfully initiated the Fail Over for Shadow Link "${printable(name)}". To follow it, run:\n  'kshadow status ${printable(name)} --watch'\n`)
        return
      }
      const { rows, done } = await followFailover(client, begun, { topic, timeoutMs, terminal })
      cli.exitCode = done ? EXIT_OK : EXIT_FAILURE
      if (isJson) printJson(cli, { link: name, done, topics: rows.map(rowJson) })
      else terminal.out(resultText(name, rows))
      if (!done) terminal.err(`kshadow: not every topic is FAILED_OVER after ${formatMs(timeoutMs)}; the engine goes on with it: \`kshadow status ${printable(name)} --watch\` shows how far it is\n`)
    })
}

/** What is about to happen, and what would be lost by it. */
function planText (link: LinkStatus, topic: string | null): string {
  const topics = link.topics.filter(row => row.owned && !isWritable(row.state) && (topic === null || row.name === topic))
  if (topics.length === 0) return 'No shadow topic is left to fail over.\n'
  const rows = topics.slice(0, 20).map(row => {
    const lags = row.partitions.map(partition => partition.lagRecords)
    const known = lags.filter(lag => lag !== null)
    const lag = known.length === 0 || known.length < lags.length ? UNKNOWN : String(known.reduce((sum, value) => sum + value, 0))
    return [row.name, row.state, lag]
  })
  return formatTable([['SHADOW TOPIC', 'STATE', 'LAG'], ...rows, ...(topics.length > 20 ? [[`and ${topics.length - 20} more`]] : [])])
}

function rowsOf (link: LinkStatus, topic: string | null): Array<{ name: string, state: string }> {
  return link.topics.filter(row => row.owned && (topic === null || row.name === topic)).map(({ name, state }) => ({ name, state }))
}

function rowJson (row: FailoverRow): Record<string, unknown> {
  return { name: row.name, state: row.state, duration_ms: row.durationMs === null ? null : Math.round(row.durationMs), already: row.already, problem: row.problem }
}

function resultText (link: string, rows: readonly FailoverRow[]): string {
  if (rows.length === 0) return `Link "${printable(link)}" has no shadow topics: nothing is shadowed any more, and nothing had to be opened.\n`
  const duration = (row: FailoverRow): string => row.already ? 'before' : row.durationMs === null ? UNKNOWN : formatMs(row.durationMs)
  return formatTable([['TOPIC', 'STATE', 'DURATION', 'PROBLEM'], ...rows.map(row => [row.name, row.state, duration(row), row.problem ?? ''])])
}
