import { Option, type Command } from 'commander'
import { z } from 'zod'
import { sleep } from '../../net/sleep.ts'
import type { LinkStatus, Restoration, TopicStatus } from '../../replication/link-service.ts'
import type { AdminClient } from '../admin-client.ts'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { confirm } from '../confirm.ts'
import { EXIT_FAILURE } from '../report-error.ts'
import { printable } from '../views/printable.ts'
import { restorePlanJson, restorePlanText } from '../views/restore-plan-view.ts'
import { topicJson } from '../views/status-json.ts'

const confirmOptions = adminOptions.extend({ confirm: z.boolean() })
const restoreOptions = confirmOptions.extend({ from: z.enum(['common-prefix', 'scratch']), dryRun: z.boolean().default(false) })

const POLL_MS = 250
/** For so long the topic is followed after it was begun anew. */
const FOLLOW_MS = 30_000

export function addTopicCommand (program: Command, cli: Cli): void {
  const topic = program.command('topic').description('take a topic out of a link, or repair one that is FAULTED')
  const add = (name: string, description: string): Command => addAdmin(topic.command(name).description(description).argument('<link>', 'name of the link').argument('<topic>', 'name of the topic'))
  add('remove', 'take a topic out of a link: an ordinary, writable topic with its data, which the link does not shadow again')
    .option('--no-confirm', 'do not ask')
    .addHelpText('after', `
The topic is failed over first, which makes it safe to write to.

Examples:
  kshadow topic remove my-link orders
`)
    .action(async (link: string, name: string, _options: unknown, command: Command) => {
      const options = confirmOptions.parse(command.opts())
      if (options.confirm && !await confirmed(cli, `Take topic ${printable(name)} out of link "${printable(link)}"? It becomes writable, and this cannot be undone.`)) return
      await adminClient(cli, options).removeTopic(link, name)
      if (options.output === 'json') printJson(cli, { link, topic: name, removed: true })
      else cli.terminal.out(`Topic ${printable(name)} was taken out of shadow link "${printable(link)}", and is an ordinary topic.\n`)
    })
  add('retry', 'have a topic that is FAULTED go on from where it stands, if source and shadow agree there')
    .addHelpText('after', `
Where the fault says that the shadow may hold something else than the source, all of the topic is compared first, which takes
as long as to read it. A topic that the link left alone because its name was taken is shadowed once the name is free.
Exits with 0 only when the topic is being copied.

Examples:
  kshadow topic retry my-link orders
`)
    .action(async (link: string, name: string, _options: unknown, command: Command) => {
      const options = adminOptions.parse(command.opts())
      const client = adminClient(cli, options)
      await client.retryTopic(link, name)
      await follow(cli, client, { link, name, isJson: options.output === 'json' })
    })
  add('restore', 'have a topic that is FAULTED shadowed anew, from what its replicas have in common with the source or from nothing')
    .addOption(new Option('--from <where>', 'common-prefix: every replica throws away what the source does not have, to the batch; scratch: the shadow topic is deleted, and all that the source has is copied').choices(['common-prefix', 'scratch']).default('common-prefix'))
    .option('--dry-run', 'only say what would be thrown away')
    .option('--no-confirm', 'do not ask')
    .addHelpText('after', `
From the common prefix nothing is copied again that is there. It is for faults after which the shadow has other records than the
source (SOURCE_LOST_RECORDS, DIVERGED, SOURCE_TOPIC_RECREATED), in append mode replica, where every replica is alive and no
topic is compacted. From scratch, the offsets that consumer groups committed for the topic on the shadow cluster are lost, too.
Exits with 0 only when the topic is being copied.

Examples:
  kshadow topic restore my-link orders --dry-run
  kshadow topic restore my-link orders
  kshadow topic restore my-link orders --from scratch
`)
    .action(async (link: string, name: string, _options: unknown, command: Command) => {
      const options = restoreOptions.parse(command.opts())
      const client = adminClient(cli, options)
      const isJson = options.output === 'json'
      const restoration = options.from === 'scratch'
        ? await fromScratch(cli, client, { link, name, isJson, ...options })
        : await fromPrefix(cli, client, { link, name, isJson, ...options })
      if (restoration === null) return
      await client.restoreTopic(link, name, restoration)
      await follow(cli, client, { link, name, isJson })
    })
}

interface Restored {
  readonly link: string
  readonly name: string
  readonly dryRun: boolean
  readonly confirm: boolean
  readonly isJson: boolean
}

/** Null where nothing is to be done. */
async function fromScratch (cli: Cli, client: AdminClient, { link, name, dryRun, confirm, isJson }: Restored): Promise<Restoration | null> {
  if (!dryRun && !confirm) return { from: 'scratch' }
  const status = await client.status(link)
  if (dryRun) {
    const topic = status.topics.find(row => row.name === name)
    if (isJson) printJson(cli, { link, topic: topic === undefined ? null : topicJson(topic) })
    else cli.terminal.out(lossText(status, name))
    return null
  }
  cli.terminal.err(lossText(status, name))
  return await confirmed(cli, `Delete the shadow topic ${printable(name)} of link "${printable(link)}", and shadow it anew?`) ? { from: 'scratch' } : null
}

/** Null where nothing is to be done. What somebody has agreed to is all that is thrown away. */
async function fromPrefix (cli: Cli, client: AdminClient, { link, name, dryRun, confirm, isJson }: Restored): Promise<Restoration | null> {
  if (!dryRun && !confirm) return { from: 'common-prefix', keep: null }
  const plan = await client.planRestore(link, name)
  if (dryRun) {
    if (isJson) printJson(cli, { link, ...restorePlanJson(plan) })
    else cli.terminal.out(restorePlanText(plan))
    return null
  }
  cli.terminal.err(restorePlanText(plan))
  const keep = plan.partitions.map(({ toOffset }) => toOffset)
  return await confirmed(cli, `Restore topic ${printable(name)} of link "${printable(link)}" from there? What is thrown away cannot be had back.`) ? { from: 'common-prefix', keep } : null
}

async function confirmed (cli: Cli, question: string): Promise<boolean> {
  if (await confirm(question, cli.terminal, { flag: '--no-confirm' })) return true
  cli.terminal.err('nothing was changed\n')
  cli.exitCode = EXIT_FAILURE
  return false
}

/** What is deleted, and may not come back. */
function lossText (link: LinkStatus, name: string): string {
  const topic = link.topics.find(row => row.name === name)
  if (topic === undefined) return ''
  const ends = topic.partitions.map(({ partition, shadowEndOffset }) => `${partition}: ${shadowEndOffset ?? 'unknown'}`)
  return `The shadow topic ${printable(name)} has ${topic.partitions.length} partitions, which end at offsets ${ends.join(', ')}.
They are deleted, with the offsets that consumer groups committed for them on the shadow cluster. What the source does not have any more is lost.\n`
}

/** Until the topic is being copied, or is FAULTED again. */
async function follow (cli: Cli, client: AdminClient, { link, name, isJson }: { readonly link: string, readonly name: string, readonly isJson: boolean }): Promise<void> {
  const { terminal } = cli
  const deadlineMs = performance.now() + FOLLOW_MS
  let topic: TopicStatus | undefined
  do {
    topic = (await client.status(link)).topics.find(row => row.name === name)
    if (topic?.state !== 'ACTIVE' || isCopying(topic)) {
      // A topic that the link had left alone is taken in by the next sync.
      if (topic !== undefined) break
    }
    await sleep(POLL_MS, terminal.signal)
  } while (performance.now() < deadlineMs)
  if (isJson) printJson(cli, { link, topic: topic === undefined ? null : topicJson(topic) })
  if (topic !== undefined && isCopying(topic)) {
    if (!isJson) terminal.out(`Topic ${printable(name)} of shadow link "${printable(link)}" is copied again.\n`)
    return
  }
  cli.exitCode = EXIT_FAILURE
  const reason = topic?.fault?.reason ?? topic?.problem ?? topic?.partitions.find(({ problem }) => problem !== null)?.problem ?? 'it has begun, and nothing more is known'
  terminal.err(`kshadow: topic ${printable(name)} is ${topic?.state ?? 'not taken in yet'}: ${printable(reason)}\n`)
}

function isCopying ({ state, partitions }: TopicStatus): boolean {
  return state === 'ACTIVE' && partitions.length > 0 && partitions.every(({ activity }) => activity === 'copying')
}
