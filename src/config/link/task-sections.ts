/** Which section of a link's document a task's `paused` is in. */
import { linkDocument, parseLinkDocument, type LinkConfig } from '../link-config.ts'

/** By Redpanda's names of the tasks (facts/redpanda-contract.md §5). */
const SECTIONS: Readonly<Record<string, string>> = { 'Source Topic Sync': 'topic_metadata_sync_options' }

export const PAUSABLE_TASKS: readonly string[] = Object.keys(SECTIONS)

/** The configuration with a task paused, or not. Null for a task that there is none of. */
export function withTaskPaused (config: LinkConfig, task: string, paused: boolean): LinkConfig | null {
  const section = SECTIONS[task]
  if (section === undefined) return null
  const document = linkDocument(config)
  const options = document[section]
  return parseLinkDocument({ ...document, [section]: { ...(typeof options === 'object' ? options : {}), paused } }, 'link')
}
