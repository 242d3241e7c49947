/** Follows a failover or a promotion to its end, whatever becomes of the engine meanwhile: another one goes on with it. */
import { SCHEMAS_TOPIC } from '../config/link/schema-sync-options.ts'
import { messageOf } from '../errors.ts'
import { sleep } from '../net/sleep.ts'
import type { LinkStatus, TopicStatus } from '../replication/link-service.ts'
import { isWritable, type TopicState } from '../state/topic-state.ts'
import { mayPass, type AdminClient } from './admin-client.ts'
import { Progress } from './progress.ts'
import type { Terminal } from './terminal.ts'
import type { Chosen } from './topic-selection.ts'
import { printable } from './views/printable.ts'
import { formatMs } from './views/quantities.ts'

export interface OpeningRow {
  readonly name: string
  readonly state: TopicState
  /** From the request until it was seen to be writable; null where it is not. */
  readonly durationMs: number | null
  /** It was writable when its opening was asked for. */
  readonly already: boolean
  readonly problem: string | null
  /** In words, where it has come to another end than was ordered; else null. */
  readonly otherwise: string | null
}

export interface FollowedOpening {
  readonly rows: readonly OpeningRow[]
  /** Whatever was to be opened is, or has come to another end. */
  readonly done: boolean
  /** Every topic is writable; without `done`, the link itself has more to do. */
  readonly allWritable: boolean
}

const POLL_MS = 250
/** Of so many topics at once is said what they wait for. */
const TOLD_TOPICS = 10
/** So long is waited for a schema registry to be given back, once every topic is open. */
const REGISTRY_MS = 15_000

/** What was ordered. */
export interface Order {
  readonly chosen: Chosen
  /** In words, as in "3 topics promoted". */
  readonly done: string
  /** The state that its topics are to end in. */
  readonly goal: TopicState
  /** A topic in this state comes no further. */
  readonly isHopeless: (state: TopicState) => boolean
}

export interface FollowOptions {
  readonly order: Order
  readonly timeoutMs: number
  readonly terminal: Terminal
}

/** `begun` is what the engine answered to the request. @throws {AdminError} when the link or topic is gone */
export async function followOpening (client: AdminClient, begun: LinkStatus, { order, timeoutMs, terminal }: FollowOptions): Promise<FollowedOpening> {
  const { chosen, done: doneWord, isHopeless } = order
  const startedMs = performance.now()
  const progress = new Progress(terminal)
  const doneAtMs = new Map<string, number>()
  const told = new Map<string, string>()
  const already = openBefore(begun, chosen)
  /** As the link last had them. */
  const known = new Map<string, TopicStatus>()
  noteOthers(begun, order, terminal)
  let link = begun
  let openAtMs: number | null = null
  try {
    for (;;) {
      const topics = openedTopics(link, chosen)
      for (const row of topics) known.set(row.name, row)
      const present = new Set(topics.map(row => row.name))
      const left = [...known.values()].filter(row => !present.has(row.name))
      const ms = performance.now() - startedMs
      for (const row of topics) {
        if (!isWritable(row.state) || doneAtMs.has(row.name)) continue
        doneAtMs.set(row.name, ms)
        // On a terminal the line with the counts says it; a log wants to have it.
        if (!terminal.isErrTty && !already.has(row.name)) terminal.err(`${printable(row.name)} is ${row.state} after ${formatMs(ms)}\n`)
      }
      const allWritable = topics.every(row => isWritable(row.state)) && (chosen.isWholeLink || known.size > 0)
      // A link is done with when it takes no new topics any more.
      const isOpen = allWritable && (!chosen.isWholeLink || link.state === 'FAILED_OVER')
      if (isOpen) openAtMs ??= ms
      const isShut = chosen.isWholeLink && link.schemaRegistry !== null && link.schemaRegistry.openedAt === null
      const done = isOpen && (!isShut || ms - (openAtMs ?? ms) >= REGISTRY_MS)
      if (done && isShut) {
        progress.clear()
        terminal.err(`the shadow schema registry is not given back yet, and the engine goes on with it: ${printable(taskReason(link))}\n`)
      }
      const isStuck = topics.some(row => isHopeless(row.state)) && topics.every(row => isWritable(row.state) || isHopeless(row.state))
      if (done || isStuck || ms >= timeoutMs) return { rows: [...topics.map(row => rowOf(row, order, { doneAtMs, already })), ...left.map(row => leftRowOf(row, order, link))], done, allWritable }
      tellProblems(topics, told, { terminal, progress })
      progress.show(`${doneAtMs.size} of ${topics.length} topics ${doneWord}, ${formatMs(ms)}`)
      await sleep(Math.max(1, Math.min(POLL_MS, timeoutMs - ms)), terminal.signal)
      link = await poll(client, link, { terminal, progress })
    }
  } finally {
    progress.clear()
  }
}

/** Says what topics wait for, once for each reason. */
function tellProblems (topics: readonly TopicStatus[], told: Map<string, string>, { terminal, progress }: { readonly terminal: Terminal, readonly progress: Progress }): void {
  for (const { name, problem } of topics.filter(row => row.problem !== null && !isWritable(row.state)).slice(0, TOLD_TOPICS)) {
    if (problem === null || told.get(name) === problem) continue
    told.set(name, problem)
    progress.clear()
    terminal.err(`${printable(name)}: ${printable(problem)}\n`)
  }
}

/** The status now, or the last one where nobody can be asked for it. */
async function poll (client: AdminClient, last: LinkStatus, { terminal, progress }: { readonly terminal: Terminal, readonly progress: Progress }): Promise<LinkStatus> {
  try {
    return await client.status(last.name)
  } catch (error) {
    terminal.signal.throwIfAborted()
    if (!mayPass(error)) throw error
    progress.clear()
    terminal.err(`how far it is cannot be asked at the moment, trying again: ${printable(messageOf(error))}\n`)
    await sleep(1000, terminal.signal)
    return last
  }
}

/** What is opened: the topic of a schema registry by its own name only. */
export function openedTopics (link: LinkStatus, chosen: Chosen): TopicStatus[] {
  return link.topics.filter(row => row.owned && chosen.includes(row.name) && (row.name !== SCHEMAS_TOPIC || chosen.selection === SCHEMAS_TOPIC))
}

function taskReason (link: LinkStatus): string {
  return link.tasks.find(({ name }) => name.startsWith('Schema Registry'))?.reason ?? ''
}

function openBefore (begun: LinkStatus, chosen: Chosen): Set<string> {
  return new Set(openedTopics(begun, chosen).filter(row => isWritable(row.state)).map(row => row.name))
}

/** What the engine has answered to an order, row by row. */
export function begunRows (begun: LinkStatus, order: Order): OpeningRow[] {
  const already = openBefore(begun, order.chosen)
  return openedTopics(begun, order.chosen).map(row => rowOf(row, order, { doneAtMs: new Map(), already }))
}

/** For a failover, a topic that was promoted is as good: it is writable, and has everything. */
function isAsOrdered (state: TopicState, goal: TopicState): boolean {
  return state === goal || (goal === 'FAILED_OVER' && state === 'PROMOTED')
}

/** Why an open topic is not what was ordered, in words. One that was failed over before a promotion is no part of it, unless it is what was named. */
function otherwiseOf ({ name, state }: TopicStatus, { chosen, goal }: Order, isAlready: boolean): string | null {
  if (!isWritable(state) || isAsOrdered(state, goal)) return null
  if (isAlready && chosen.selection !== name) return null
  return `${state}, not ${goal}: it was opened with what it had, which need not be all that the source has`
}

/** Topics that are no part of the order do not count, and are not passed over in silence either. */
function noteOthers (link: LinkStatus, order: Order, terminal: Terminal): void {
  const { chosen, done, goal } = order
  const before = begunRows(link, order).filter(row => row.already && row.otherwise === null && !isAsOrdered(row.state, goal)).map(row => printable(row.name))
  if (before.length > 0) terminal.err(`${before.slice(0, TOLD_TOPICS).join(', ')}${before.length > TOLD_TOPICS ? ` and ${before.length - TOLD_TOPICS} more` : ''} ${before.length === 1 ? 'was' : 'were'} FAILED_OVER before, with what was there then, and ${before.length === 1 ? 'is' : 'are'} not ${done}\n`)
  for (const row of link.topics) {
    if (chosen.isWholeLink && row.owned && row.name === SCHEMAS_TOPIC && !isWritable(row.state)) {
      terminal.err(`${SCHEMAS_TOPIC} stays a read-only shadow: which site's schema registry gives out ids is a step of its own, \`kshadow failover ${printable(link.name)} --topic ${SCHEMAS_TOPIC}\`\n`)
    }
    if (row.owned || !chosen.isWholeLink) continue
    terminal.err(`${printable(row.name)} is no shadow topic and stays as it is${row.fault === null ? '' : `: ${printable(row.fault.reason)}`}\n`)
  }
}

/** A topic that the link does not shadow any more. */
function leftRowOf ({ name, state }: TopicStatus, { goal }: Order, link: LinkStatus): OpeningRow {
  const now = link.topics.find(row => row.name === name)
  const otherwise = now !== undefined && isAsOrdered(now.state, goal) ? null : `no shadow topic of the link any more: ${now === undefined ? 'the link does not know it' : now.fault?.reason ?? 'it was taken out of it meanwhile'}`
  return { name, state: now?.state ?? state, durationMs: null, already: false, problem: null, otherwise }
}

function rowOf (row: TopicStatus, order: Order, { doneAtMs, already }: { readonly doneAtMs: ReadonlyMap<string, number>, readonly already: ReadonlySet<string> }): OpeningRow {
  return {
    name: row.name,
    state: row.state,
    durationMs: already.has(row.name) ? null : doneAtMs.get(row.name) ?? null,
    already: already.has(row.name),
    problem: row.problem,
    otherwise: otherwiseOf(row, order, already.has(row.name))
  }
}
