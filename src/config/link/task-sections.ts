/** Which section of a link's document a task's `paused` is in. */
import { linkDocument, parseLinkDocument, type LinkConfig } from '../link-config.ts'

/** By Redpanda's names of the tasks (facts/redpanda-contract.md §5): the way to the map with `paused`. */
const SECTIONS: Readonly<Record<string, readonly string[]>> = {
  'Source Topic Sync': ['topic_metadata_sync_options'],
  'Consumer Group Shadowing': ['consumer_offset_sync_options'],
  'Security Migrator Task': ['security_sync_options'],
  'Schema Registry Shadowing': ['schema_registry_sync_options', 'shadow_schema_registry_api']
}

export const PAUSABLE_TASKS: readonly string[] = Object.keys(SECTIONS)

/** The configuration with a task paused, or not. Null for a task that there is none of, and for one that the link does not have. */
export function withTaskPaused (config: LinkConfig, task: string, paused: boolean): LinkConfig | null {
  const way = SECTIONS[task]
  const document = way === undefined ? null : withPaused(linkDocument(config), way, paused)
  return document === null ? null : parseLinkDocument(document, 'link')
}

function withPaused (document: unknown, [key, ...way]: readonly string[], paused: boolean): Record<string, unknown> | null {
  if (typeof document !== 'object' || document === null) return null
  if (key === undefined) return { ...document, paused }
  const section = withPaused(Object.entries(document).find(([name]) => name === key)?.[1], way, paused)
  return section === null ? null : { ...document, [key]: section }
}
