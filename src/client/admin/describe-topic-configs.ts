import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DescribeConfigs } from '../../../protocol/messages/describe-configs.ts'
import type { ResponseOf } from '../../../protocol/schema/api.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { DEFAULT_CONFIG_SOURCE, TOPIC_CONFIG_SOURCE, TOPIC_RESOURCE } from './config-resource.ts'

export interface TopicConfigEntry {
  /** Null where the broker does not tell: a sensitive value. */
  readonly value: string | null
  /** Where the value comes from (`DescribeConfigsResponse.ConfigSource`): 1 the topic, 2 to 4 brokers, 5 Kafka's default, 0 not known. */
  readonly source: number
  readonly isDefault: boolean
  readonly isSensitive: boolean
  readonly isReadOnly: boolean
}

export interface DescribeTopicConfigsOptions {
  readonly signal: AbortSignal
  /** Only these configs are asked for; a cluster leaves out what it does not know. Default: all. */
  readonly configs?: readonly string[]
}

/** An answer for this many topics, with all configs, is about half a megabyte. */
const TOPICS_PER_REQUEST = 250

/**
 * The configs of topics, by name; the error where a topic has one. There is an entry for every topic that was asked for.
 * @throws {ShadowError} when no broker can be asked
 */
export async function describeTopicConfigs (cluster: Cluster, topics: readonly string[], { signal, configs }: DescribeTopicConfigsOptions): Promise<Map<string, ReadonlyMap<string, TopicConfigEntry> | BrokerError>> {
  const described = new Map<string, ReadonlyMap<string, TopicConfigEntry> | BrokerError>()
  const names = [...new Set(topics)]
  for (let start = 0; start < names.length; start += TOPICS_PER_REQUEST) {
    const asked = names.slice(start, start + TOPICS_PER_REQUEST)
    const { body, version } = await cluster.request(DescribeConfigs, {
      resources: asked.map(resourceName => ({ resourceType: TOPIC_RESOURCE, resourceName, configurationKeys: configs === undefined ? null : [...configs] }))
    }, 'any', { signal, purpose: 'slow' })
    const rows = new Map(body.results.filter(({ resourceType }) => resourceType === TOPIC_RESOURCE).map(row => [row.resourceName, row]))
    for (const name of asked) described.set(name, entriesOf(name, rows.get(name), version))
  }
  return described
}

type Row = ResponseOf<typeof DescribeConfigs>['results'][number]

function entriesOf (name: string, row: Row | undefined, version: number): ReadonlyMap<string, TopicConfigEntry> | BrokerError {
  const what = `DescribeConfigs ${name}`
  if (row === undefined) return new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, what, 'the answer has no row for it')
  if (row.errorCode !== ErrorCodes.NONE) return new BrokerError(row.errorCode, what, row.errorMessage)
  return new Map(row.configs.map(config => [config.name, entryOf(config, version)]))
}

function entryOf (config: Row['configs'][number], version: number): TopicConfigEntry {
  // Version 0 tells only whether the topic itself has the value.
  const source = version === 0 ? (config.isDefault ? DEFAULT_CONFIG_SOURCE : TOPIC_CONFIG_SOURCE) : config.configSource
  return { value: config.value, source, isDefault: source === DEFAULT_CONFIG_SOURCE, isSensitive: config.isSensitive, isReadOnly: config.readOnly }
}
