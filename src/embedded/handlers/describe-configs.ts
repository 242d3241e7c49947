import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { DescribeConfigs } from '../../../protocol/messages/describe-configs.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { apiError, errorFields, type ApiError } from '../api-error.ts'
import type { BrokerState } from '../broker-state.ts'
import type { RequestContext } from '../server/dispatcher.ts'
import { CONFIG_TYPES, TOPIC_CONFIGS } from '../topics/config-definitions.ts'
import { CONFIG_SOURCES, topicConfigEntries, type ConfigEntry } from '../topics/config-entries.ts'

type Wanted = RequestOf<typeof DescribeConfigs>['resources'][number]

/** org.apache.kafka.common.config.ConfigResource.Type. */
export const RESOURCE_TYPES = { topic: 2, broker: 4 } as const

export function describeConfigs (state: BrokerState, body: RequestOf<typeof DescribeConfigs>, { apiVersion }: RequestContext): ResponseInput<typeof DescribeConfigs> {
  return {
    throttleTimeMs: 0,
    results: body.resources.map(wanted => {
      const { resourceType, resourceName, configurationKeys } = wanted
      const found = entriesOf(state, wanted)
      const entries = 'errorCode' in found ? [] : found.entries
      // An empty list of names asks for all, as null does: old clients send it.
      const isWanted = (name: string): boolean => configurationKeys === null || configurationKeys.length === 0 || configurationKeys.includes(name)
      return {
        ...errorFields('errorCode' in found ? found : null),
        resourceType,
        resourceName,
        configs: entries.filter(({ name }) => isWanted(name)).map(({ name, value, source, type, synonyms }) => ({
          name,
          value,
          readOnly: resourceType === RESOURCE_TYPES.broker,
          // Later versions tell the source instead.
          ...(apiVersion === 0 ? { isDefault: source === CONFIG_SOURCES.default } : {}),
          configSource: source,
          isSensitive: false,
          synonyms: body.includeSynonyms ? synonyms : [],
          configType: type,
          documentation: null
        }))
      }
    })
  }
}

function entriesOf (state: BrokerState, { resourceType, resourceName }: Wanted): { readonly entries: readonly ConfigEntry[] } | ApiError {
  switch (resourceType) {
    case RESOURCE_TYPES.topic: {
      const topic = state.topics.byName(resourceName)
      return topic === null ? apiError(ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, 'This server does not host this topic-partition.') : { entries: topicConfigEntries(topic.overrides) }
    }
    case RESOURCE_TYPES.broker:
      // The empty name asks for what was set for all brokers, which is nothing.
      if (resourceName === '') return { entries: [] }
      if (resourceName !== String(state.nodeId)) return apiError(ErrorCodes.INVALID_REQUEST, `Unexpected broker id, expected ${state.nodeId} or empty string, but received ${resourceName}`)
      return { entries: brokerConfigEntries(state) }
    default:
      return apiError(ErrorCodes.INVALID_REQUEST, `Unsupported resource type: ${resourceType}`)
  }
}

/** What holds for this broker: what it was started with, and the defaults that topics take from it. */
function brokerConfigEntries (state: BrokerState): ConfigEntry[] {
  const started = ([
    ['auto.create.topics.enable', 'boolean', state.autoCreateTopics],
    ['broker.id', 'int', state.nodeId],
    ['default.replication.factor', 'int', 1],
    ['node.id', 'int', state.nodeId],
    ['num.partitions', 'int', state.defaultPartitions],
    ['offsets.topic.replication.factor', 'int', 1],
    ['transaction.state.log.replication.factor', 'int', 1]
  ] as const).map(([name, type, value]) => brokerEntry(name, CONFIG_TYPES[type], String(value), CONFIG_SOURCES.staticBroker))
  const defaults = [...TOPIC_CONFIGS.values()].map(definition => brokerEntry(definition.serverName, CONFIG_TYPES[definition.type], definition.default, CONFIG_SOURCES.default))
  return [...started, ...defaults]
}

function brokerEntry (name: string, type: number, value: string, source: number): ConfigEntry {
  return { name, value, source, type, synonyms: [{ name, value, source }] }
}
