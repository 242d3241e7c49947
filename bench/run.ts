/**
 * Measures what the project promises and writes the tables to stdout and bench/results.md. Progress goes to stderr.
 * The exit code is 0 when everything was measured, whether targets are met or not; 1 when something could not be; 2 for a wrong command line.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PROJECT_ROOT } from '../test/support/project-root.ts'
import { loadLine, machineLines } from './machine.ts'
import { measureCodec } from './protocol/codec.ts'
import { measureCrc } from './protocol/crc.ts'
import { measureReplication } from './replication/replication.ts'
import { partMarkdown, isMet, targetsMarkdown, type PartReport, type Target } from './report.ts'
import { measureSidecar } from './proxy/sidecar.ts'
import { measureLinkScale } from './replica/link-scale.ts'
import { measureReplica } from './replica/replica.ts'
import { measureReplicaScale } from './replica/scale.ts'

const USAGE = 'usage: npm run bench -- [codec] [crc] [replication] [sidecar] [replica] [replica-scale] [link-scale] [--gb GIGABYTES] [--topics NUMBER]'
const RESULTS_FILE = join(PROJECT_ROOT, 'bench', 'results.md')

/** All of it, whatever hangs. What still runs then is ended by the folders it lives in (test/support/workspace.ts). */
const DEADLINE_MS = 30 * 60_000

export interface BenchOptions {
  /** How much the replication part copies. */
  readonly bytes: number
  /** How many topics the link-scale part shadows. */
  readonly topics: number
  readonly signal: AbortSignal
  /** Says what is going on. */
  readonly progress: (line: string) => void
}

const PARTS: Readonly<Record<string, (options: BenchOptions) => Promise<PartReport>>> = {
  codec: measureCodec,
  crc: measureCrc,
  replication: measureReplication,
  sidecar: measureSidecar,
  replica: measureReplica,
  'replica-scale': measureReplicaScale,
  'link-scale': measureLinkScale
}

interface Outcome {
  readonly name: string
  readonly markdown: string
  readonly targets: readonly Target[]
  readonly failure: string | null
}

async function main (): Promise<number> {
  const asked = readArguments()
  if (asked === null) return 2
  const startedAt = performance.now()
  const outcomes: Outcome[] = []
  const abort = new AbortController()
  const deadline = setTimeout(() => {
    console.error(`the bench was ended after ${DEADLINE_MS / 60_000} minutes; what was measured by then:\n`)
    publish([...outcomes, failed('(the rest)', 'not over in time')], startedAt)
    process.exit(1)
  }, DEADLINE_MS)
  const stop = (): void => {
    abort.abort(new Error('interrupted'))
    process.exitCode = 1
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  for (const name of asked.parts) {
    const part = PARTS[name]
    if (part === undefined || abort.signal.aborted) continue
    const progress = (line: string): void => console.error(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${name}: ${line}`)
    progress('started')
    const load = loadLine()
    try {
      const report = await part({ bytes: asked.bytes, topics: asked.topics, signal: abort.signal, progress })
      outcomes.push({ name, markdown: partMarkdown({ ...report, conditions: [...report.conditions, load] }), targets: report.targets, failure: null })
    } catch (error) {
      const reason = error instanceof Error ? error.stack ?? error.message : String(error)
      progress(`FAILED: ${reason}`)
      outcomes.push(failed(name, reason))
    }
  }
  clearTimeout(deadline)
  publish(outcomes, startedAt)
  return outcomes.length === asked.parts.length && outcomes.every(({ failure }) => failure === null) ? 0 : 1
}

/** The command line; null, and the reason told, when it makes no sense. */
function readArguments (): { readonly parts: readonly string[], readonly bytes: number, readonly topics: number } | null {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { gb: { type: 'string', default: '2' }, topics: { type: 'string', default: '2000' } } })
    const bytes = Number(values.gb) * 1e9
    if (!(bytes >= 1e7 && bytes <= 1e11)) throw new RangeError(`--gb ${values.gb}: expected a number from 0.01 to 100`)
    const topics = Number(values.topics)
    if (!(Number.isInteger(topics) && topics >= 1 && topics <= 5000)) throw new RangeError(`--topics ${values.topics}: expected a whole number from 1 to 5,000`)
    const unknown = positionals.filter(name => !(name in PARTS))
    if (unknown.length > 0) throw new RangeError(`no such part: ${unknown.join(', ')}`)
    return { parts: Object.keys(PARTS).filter(name => positionals.length === 0 || positionals.includes(name)), bytes, topics }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
    return null
  }
}

function failed (name: string, reason: string): Outcome {
  return { name, markdown: `## ${name}\n\n**Could not be measured:**\n\n\`\`\`\n${reason.replaceAll(PROJECT_ROOT, '.')}\n\`\`\``, targets: [], failure: reason }
}

function publish (outcomes: readonly Outcome[], startedAt: number): void {
  const targets = outcomes.flatMap(outcome => outcome.targets)
  const failures = outcomes.filter(({ failure }) => failure !== null).map(({ name }) => name)
  const text = [
    '# Bench',
    'Written by `npm run bench`. MB and GB are 10⁶ and 10⁹ bytes, of record batches as they lie in the log.',
    machineLines().map(line => `- ${line}`).join('\n'),
    ...outcomes.map(({ markdown }) => markdown),
    '## All targets',
    ...(targets.length === 0 ? [] : [targetsMarkdown(targets)]),
    [
      `${targets.filter(isMet).length} of ${targets.length} targets met`,
      ...(failures.length === 0 ? [] : [`**could not be measured: ${failures.join(', ')}**`]),
      `measured in ${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes`
    ].join('; ') + '.'
  ].join('\n\n') + '\n'
  process.stdout.write(text)
  writeFileSync(RESULTS_FILE, text)
}

process.exitCode = await main()
