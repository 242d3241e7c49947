/**
 * DescribeConfigs of shadow topics. What keeps the copy safe on the brokers is nothing that the topic is to have: clients are shown what a
 * failover sets, which is the source's value where the link carries it over, and what holds without a value of the topic's own elsewhere.
 * For the latter the broker is asked where values come from, whether the client wants to know or not.
 */
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import type { ResponseInput, ResponseOf } from '../../protocol/schema/api.ts'
import { DEFAULT_CONFIG_SOURCE, TOPIC_CONFIG_SOURCE, TOPIC_RESOURCE } from '../client/admin/config-resource.ts'
import { question } from './question.ts'
import type { ShownConfigs } from './read-rules.ts'
import type { Judge } from './verdict.ts'

type Answer = ResponseOf<typeof DescribeConfigs>
type Entry = Answer['results'][number]['configs'][number]

/** The first version that tells where values come from. */
const SYNONYMS_VERSION = 1

export const judgeDescribeConfigs: Judge<typeof DescribeConfigs> = (body, { reads, version }) => {
  const shown = new Map<string, ShownConfigs>()
  for (const { resourceType, resourceName } of body.resources) {
    const configs = resourceType === TOPIC_RESOURCE ? reads.shownConfigsOf(resourceName) : null
    if (configs !== null) shown.set(resourceName, configs)
  }
  if (shown.size === 0) return null
  let answer: ResponseInput<typeof DescribeConfigs> = { throttleTimeMs: 0, results: [] }
  return {
    kind: 'ask',
    questions: [question(DescribeConfigs, Math.max(version, SYNONYMS_VERSION), { ...body, includeSynonyms: true }, theirs => {
      answer = showSynced(theirs, shown, { withSynonyms: body.includeSynonyms, version })
    })],
    isLast: true,
    next: () => ({ kind: 'answer', body: answer })
  }
}

function showSynced (answer: Answer, shown: ReadonlyMap<string, ShownConfigs>, { withSynonyms, version }: { readonly withSynonyms: boolean, readonly version: number }): ResponseInput<typeof DescribeConfigs> {
  return {
    throttleTimeMs: answer.throttleTimeMs,
    results: answer.results.map(row => {
      const configs = row.resourceType === TOPIC_RESOURCE ? shown.get(row.resourceName) : undefined
      return {
        ...row,
        configs: row.configs.map(given => {
          const entry = configs === undefined ? given : shownEntry(given, configs)
          return {
            ...entry,
            // Version 0 has this in place of the source, and later ones do not.
            isDefault: version === 0 && entry.configSource === DEFAULT_CONFIG_SOURCE,
            synonyms: withSynonyms ? entry.synonyms : []
          }
        })
      }
    })
  }
}

function shownEntry (entry: Entry, { carried, safe }: ShownConfigs): Entry {
  const { name } = entry
  const others = entry.synonyms.filter(({ source }) => source !== TOPIC_CONFIG_SOURCE)
  const value = carried.get(name)
  if (value !== undefined) return { ...entry, value, configSource: TOPIC_CONFIG_SOURCE, synonyms: [{ name, value, source: TOPIC_CONFIG_SOURCE, unknownTags: [] }, ...others] }
  const [next] = others
  // A broker that does not tell leaves nothing better to show than what it says.
  if (!safe.has(name) || entry.configSource !== TOPIC_CONFIG_SOURCE || next === undefined) return entry
  return { ...entry, value: next.value, configSource: next.source, synonyms: others }
}
