/** The commands that open shadow topics for writing are one command, in other words. */
import type { Command } from 'commander'
import { z } from 'zod'
import { parseDuration } from '../config/duration.ts'
import type { LinkStatus, TopicSelection } from '../replication/link-service.ts'
import { isWritable } from '../state/topic-state.ts'
import type { AdminClient } from './admin-client.ts'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from './cli.ts'
import { confirm } from './confirm.ts'
import { begunRows, followOpening, openedTopics, type OpeningRow, type Order } from './follow-opening.ts'
import { EXIT_FAILURE, EXIT_OK } from './report-error.ts'
import type { Terminal } from './terminal.ts'
import { addSelection, chosenOf, selectionOptions, type Chosen } from './topic-selection.ts'
import { UsageError } from './usage-error.ts'
import { printable } from './views/printable.ts'
import { formatMs, UNKNOWN } from './views/quantities.ts'
import { formatTable } from './views/table.ts'

const optionsSchema = adminOptions.extend({
  ...selectionOptions.shape,
  confirm: z.boolean(),
  wait: z.boolean(),
  timeout: z.string()
})

/** Of so many topics is said that they have come to another end than was ordered. */
const NAMED = 10

/** What differs between the commands that open shadow topics. */
export interface OpeningWords extends Omit<Order, 'chosen'> {
  readonly name: string
  readonly description: string
  readonly topicOption: string
  readonly allOption: string
  /** Shown after the options. */
  readonly help: string
  readonly title: string
  readonly verb: string
  /** As in "the promotion goes on". */
  readonly noun: string
  /** Has the engine begin. */
  readonly begin: (client: AdminClient, link: string, topics: TopicSelection) => Promise<LinkStatus>
}

/** A command that opens shadow topics for good, and follows it to its end. */
export function addOpeningCommand (program: Command, cli: Cli, words: OpeningWords): void {
  const { title, verb, noun, done: doneWord, goal, isHopeless } = words
  const command = program.command(words.name).description(words.description).argument('<link>', 'name of the link')
  addAdmin(addSelection(command, { topic: words.topicOption, all: words.allOption })
    .option('--no-confirm', 'do not ask')
    .option('--no-wait', 'return as soon as it has begun')
    .option('--timeout <duration>', 'how long to wait for its end', '10m'))
    .addHelpText('after', words.help)
    .action(async (name: string, _options: unknown, called: Command) => {
      const options = optionsSchema.parse(called.opts())
      const { terminal } = cli
      const chosen = chosenOf(options)
      if (chosen === null) throw new UsageError('give either --topic TOPIC, --filter PATTERN… or --all')
      const timeoutMs = parseDuration(options.timeout)
      if (timeoutMs === null || timeoutMs === 0) throw new UsageError(`--timeout: ${JSON.stringify(options.timeout)}: expected a duration such as 10m`)
      const client = adminClient(cli, options)
      if (options.confirm) {
        terminal.err(planText(await client.status(name), chosen, words))
        const question = `${verb} ${chosen.text} of link "${printable(name)}"? This cannot be undone.`
        if (!await confirm(question, terminal, { flag: '--no-confirm' })) {
          terminal.err(`nothing was ${doneWord}\n`)
          cli.exitCode = EXIT_FAILURE
          return
        }
      }
      const order: Order = { chosen, done: doneWord, goal, isHopeless }
      const begun = await words.begin(client, name, chosen.selection)
      const isJson = options.output === 'json'
      if (!options.wait) {
        const rows = begunRows(begun, order)
        const otherwise = rows.filter(row => row.otherwise !== null)
        cli.exitCode = otherwise.length === 0 ? EXIT_OK : EXIT_FAILURE
        if (isJson) printJson(cli, { link: name, done: false, otherwise: otherwise.map(row => row.name), topics: rows.map(row => ({ name: row.name, state: row.state, duration_ms: null })) })
        else if (otherwise.length < rows.length || rows.length === 0) terminal.out(`Successfully initiated the ${title} for Shadow Link "${printable(name)}". To follow it, run:\n  'kshadow status ${printable(name)} --watch'\n`)
        tellOtherwise(terminal, otherwise)
        return
      }
      const { rows, done, allWritable } = await followOpening(client, begun, { order, timeoutMs, terminal }).catch((error: unknown) => {
        if (terminal.signal.aborted) terminal.err(`kshadow: the ${noun} has begun, and goes on in the engine: \`kshadow status ${printable(name)}\` shows how far it is\n`)
        throw error
      })
      const otherwise = rows.filter(row => row.otherwise !== null)
      const isAsOrdered = done && otherwise.length === 0
      cli.exitCode = isAsOrdered ? EXIT_OK : EXIT_FAILURE
      if (isJson) printJson(cli, { link: name, done: isAsOrdered, otherwise: otherwise.map(row => row.name), topics: rows.map(rowJson) })
      else terminal.out(resultText(name, rows))
      tellOtherwise(terminal, otherwise)
      if (done) return
      const stopped = rows.filter(row => isHopeless(row.state)).map(row => printable(row.name))
      if (stopped.length > 0) terminal.err(`kshadow: ${stopped.slice(0, 3).join(', ')}${stopped.length > 3 ? ` and ${stopped.length - 3} more` : ''} will not be ${goal}: \`kshadow status ${printable(name)}\` shows the reason, and \`kshadow failover\` opens a topic with what it has\n`)
      const left = allWritable ? 'every topic is open, but the source was not asked for new ones yet, or not all of its schemas are on the shadow' : `not every topic is ${goal}`
      if (allWritable || rows.some(row => !isWritable(row.state) && !isHopeless(row.state))) terminal.err(`kshadow: ${left} after ${formatMs(timeoutMs)}; the engine goes on with it: \`kshadow status ${printable(name)} --watch\` shows how far it is\n`)
    })
}

function tellOtherwise (terminal: Terminal, rows: readonly OpeningRow[]): void {
  for (const { name, otherwise } of rows.slice(0, NAMED)) terminal.err(`kshadow: ${printable(name)} is ${printable(otherwise ?? '')}\n`)
  if (rows.length > NAMED) terminal.err(`kshadow: and ${rows.length - NAMED} more topics have come to another end; --output json names all\n`)
}

/** What is about to happen, and what would be lost by it. */
function planText (link: LinkStatus, chosen: Chosen, { verb }: OpeningWords): string {
  const topics = openedTopics(link, chosen).filter(row => !isWritable(row.state))
  if (topics.length === 0) return `No shadow topic is left to ${verb.toLowerCase()}.\n`
  const rows = topics.slice(0, 20).map(row => {
    const lags = row.partitions.map(partition => partition.lagRecords)
    const known = lags.filter(lag => lag !== null)
    const lag = known.length === 0 || known.length < lags.length ? UNKNOWN : String(known.reduce((sum, value) => sum + value, 0))
    return [row.name, row.state, lag]
  })
  return formatTable([['SHADOW TOPIC', 'STATE', 'LAG'], ...rows, ...(topics.length > 20 ? [[`and ${topics.length - 20} more`]] : [])])
}

function rowJson (row: OpeningRow): Record<string, unknown> {
  return { name: row.name, state: row.state, duration_ms: row.durationMs === null ? null : Math.round(row.durationMs), already: row.already, problem: row.problem }
}

function resultText (link: string, rows: readonly OpeningRow[]): string {
  if (rows.length === 0) return `Link "${printable(link)}" has no shadow topics: nothing is shadowed any more, and nothing had to be opened.\n`
  const duration = (row: OpeningRow): string => row.already ? 'before' : row.durationMs === null ? UNKNOWN : formatMs(row.durationMs)
  return formatTable([['TOPIC', 'STATE', 'DURATION', 'PROBLEM'], ...rows.map(row => [row.name, row.state, duration(row), row.problem ?? ''])])
}
