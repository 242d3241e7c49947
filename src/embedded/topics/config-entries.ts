/** Configuration as DescribeConfigs and CreateTopics show it. */
import { CONFIG_TYPES, TOPIC_CONFIGS } from './config-definitions.ts'

/** Where a value comes from: org.apache.kafka.clients.admin.ConfigEntry.ConfigSource. */
export const CONFIG_SOURCES = { dynamicTopic: 1, staticBroker: 4, default: 5 } as const

export interface ConfigSynonym {
  readonly name: string
  readonly value: string
  readonly source: number
}

export interface ConfigEntry {
  readonly name: string
  readonly value: string
  readonly source: number
  readonly type: number
  /** Where else a value is set, the one that counts first. */
  readonly synonyms: readonly ConfigSynonym[]
}

/** Every configuration that a topic has, those that are not set included. */
export function topicConfigEntries (overrides: ReadonlyMap<string, string>): ConfigEntry[] {
  return [...TOPIC_CONFIGS.values()].map(({ name, type, default: byDefault, serverName }) => {
    const override = overrides.get(name)
    const fallback = { name: serverName, value: byDefault, source: CONFIG_SOURCES.default }
    return {
      name,
      value: override ?? byDefault,
      source: override === undefined ? CONFIG_SOURCES.default : CONFIG_SOURCES.dynamicTopic,
      type: CONFIG_TYPES[type],
      synonyms: override === undefined ? [fallback] : [{ name, value: override, source: CONFIG_SOURCES.dynamicTopic }, fallback]
    }
  })
}
