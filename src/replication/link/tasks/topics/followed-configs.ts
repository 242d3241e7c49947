/** What both clusters say of the configs of the topics that are shadowed: no more is asked than what is compared, which is asked over and over again. */
import { describeTopicConfigs, type TopicConfigEntry } from '../../../../client/admin/describe-topic-configs.ts'
import type { Cluster } from '../../../../client/cluster.ts'
import type { TopicSyncOptions } from '../../../../config/link/topic-sync-options.ts'
import type { BrokerError } from '../../../../errors.ts'
import type { TopicRecord } from '../../../../state/records.ts'
import type { AppendMode } from '../../../append/append-mode.ts'
import type { ShadowTopic } from '../../shadow-topic.ts'
import { askedNames } from './topic-configs.ts'

/** What one cluster says of a topic's configs. */
export type DescribedConfigs = ReadonlyMap<string, TopicConfigEntry> | BrokerError | undefined

export interface FollowedConfigs {
  /** Those that are carried over, by topic. */
  readonly source: ReadonlyMap<string, DescribedConfigs>
  /** Those that a shadow must have, by topic; without those topics that are known to have them. */
  readonly shadow: ReadonlyMap<string, DescribedConfigs>
}

/** @throws {ShadowError} when either cluster cannot be asked */
export async function describeFollowed (topics: readonly ShadowTopic[], { source, shadow, options, mode, shadowingConfigs, signal }: {
  readonly source: Cluster
  readonly shadow: Cluster
  readonly options: TopicSyncOptions
  readonly mode: Pick<AppendMode, 'hasConfigs'>
  readonly shadowingConfigs: (record: TopicRecord) => Promise<Readonly<Record<string, string>>>
  readonly signal: AbortSignal
}): Promise<FollowedConfigs> {
  const unknown: string[] = []
  const wanted = new Set<string>()
  for (const { topic, record } of topics) {
    const configs = await shadowingConfigs(record)
    if (mode.hasConfigs(record, configs)) continue
    unknown.push(topic)
    for (const name of Object.keys(configs)) wanted.add(name)
  }
  const [theirs, mine] = await Promise.all([
    describeTopicConfigs(source, topics.map(({ topic }) => topic), { signal, configs: askedNames(options) }),
    describeTopicConfigs(shadow, unknown, { signal, configs: [...wanted] })
  ])
  return { source: theirs, shadow: mine }
}
