/** `--topic`, `--filter` and `--all`: which topics of a link a command is for. */
import { Option, type Command } from 'commander'
import { z } from 'zod'
import { parseValue } from '../config/document.ts'
import { selects, topicFilter, type NameFilter } from '../config/link/name-filter.ts'
import type { TopicSelection } from '../replication/link-service.ts'
import { UsageError } from './usage-error.ts'
import { printable } from './views/printable.ts'

export const selectionOptions = z.object({ topic: z.string().optional(), filter: z.array(z.string()).optional(), all: z.boolean().optional() })

export interface Chosen {
  readonly selection: TopicSelection
  readonly isWholeLink: boolean
  /** As in "pause topic orders". */
  readonly text: string
  includes (topic: string): boolean
}

export function addSelection (command: Command, { topic, all }: { readonly topic: string, readonly all: string }): Command {
  return command.option('--topic <topic>', topic)
    .addOption(new Option('--filter <pattern...>', 'several topics: names, and starts of names as in \'orders*\''))
    .option('--all', all)
}

/** Null where none of the three was given. @throws {UsageError} for more than one */
export function chosenOf ({ topic, filter, all }: z.infer<typeof selectionOptions>): Chosen | null {
  const given = [topic !== undefined, filter !== undefined, all === true].filter(Boolean).length
  if (given > 1) throw new UsageError('give only one of --topic TOPIC, --filter PATTERN… and --all')
  if (topic !== undefined) return { selection: topic, isWholeLink: false, text: `topic ${printable(topic)}`, includes: name => name === topic }
  if (all === true) return { selection: null, isWholeLink: true, text: 'all shadow topics', includes: () => true }
  if (filter === undefined) return null
  const filters = filter.map(filterOf)
  return { selection: filters, isWholeLink: false, text: `the topics that match ${filter.map(pattern => printable(pattern)).join(', ')}`, includes: name => selects(filters, name) }
}

/** @throws {ConfigError} for what no topic can be named */
function filterOf (pattern: string): NameFilter {
  const isPrefix = pattern.length > 1 && pattern.endsWith('*')
  return parseValue({ pattern_type: isPrefix ? 'PREFIX' : 'LITERAL', filter_type: 'INCLUDE', name: isPrefix ? pattern.slice(0, -1) : pattern }, `--filter ${pattern}`, topicFilter)
}
