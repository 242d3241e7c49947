/**
 * Topics that a cluster does not have. A broker leaves topics out of its metadata that the principal may not describe, and may be behind
 * or on its own: what is absent is so by the word of every broker, asked for the name and for the id.
 */
import { ErrorCodes, errorName } from '../../../protocol/errors/codes.ts'
import { Metadata } from '../../../protocol/messages/metadata.ts'
import { ZERO_UUID } from '../../../protocol/schema/field.ts'
import { messageOf } from '../../errors.ts'
import { throwIfAborted } from '../../net/abort.ts'
import type { Cluster, ClusterView } from '../cluster.ts'

export interface KnownTopic {
  readonly topic: string
  readonly topicId: string
}

/** The first version in which a question creates no topic, and the first that answers for ids. */
const MIN_VERSION = 4
const BY_ID_VERSION = 12

/**
 * By the names of `topics`: null for one that no broker of `view` has, else why that is not so, or not known.
 * @throws {ShadowError} ABORTED
 */
export async function absentTopics (cluster: Cluster, { brokers, clusterId }: ClusterView, topics: readonly KnownTopic[], { signal }: { readonly signal: AbortSignal }): Promise<ReadonlyMap<string, string | null>> {
  const reasons = new Map<string, string | null>(topics.map(({ topic }) => [topic, brokers.size === 0 ? 'the cluster shows no brokers' : null]))
  if (topics.length === 0) return reasons
  await Promise.all([...brokers.keys()].map(async nodeId => {
    const note = (topic: string, reason: string): void => { if (reasons.get(topic) === null) reasons.set(topic, `broker ${nodeId} ${reason}`) }
    try {
      const names = await cluster.request(Metadata, { topics: topics.map(({ topic }) => ({ topicId: ZERO_UUID, name: topic })), allowAutoTopicCreation: false }, nodeId, { signal, minVersion: MIN_VERSION })
      if (names.body.clusterId === null || names.body.clusterId !== clusterId) throw new Error(`belongs to cluster ${names.body.clusterId ?? 'without an id'}`)
      const byName = new Map(names.body.topics.map(({ name, errorCode }) => [name, errorCode]))
      for (const { topic } of topics) {
        const code = byName.get(topic)
        if (code !== ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION) note(topic, answered(code))
      }
      if (names.version < BY_ID_VERSION) return
      const ids = await cluster.request(Metadata, { topics: topics.map(({ topicId }) => ({ topicId, name: null })), allowAutoTopicCreation: false }, nodeId, { signal, minVersion: BY_ID_VERSION })
      const byId = new Map(ids.body.topics.map(({ topicId, errorCode }) => [topicId, errorCode]))
      for (const { topic, topicId } of topics) {
        const code = byId.get(topicId)
        if (code !== ErrorCodes.UNKNOWN_TOPIC_ID) note(topic, answered(code))
      }
    } catch (error) {
      throwIfAborted(signal)
      for (const { topic } of topics) note(topic, `does not tell: ${messageOf(error)}`)
    }
  }))
  return reasons
}

function answered (code: number | undefined): string {
  if (code === undefined) return 'leaves it out of its answer'
  return code === ErrorCodes.NONE ? 'has it' : `answers ${errorName(code)}`
}
