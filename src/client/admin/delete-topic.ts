import { DeleteTopics } from '../../../protocol/messages/delete-topics.ts'
import { ZERO_UUID } from '../../../protocol/schema/field.ts'
import type { Cluster } from '../cluster.ts'
import { ADMIN_TIMEOUT_MS } from './admin-timeout.ts'
import { askController } from './ask-controller.ts'
import { checkAnswer } from './check-answer.ts'

/** From this version on topics are named in rows that also have room for an id. */
const ROWS_VERSION = 6

export interface DeleteTopicOptions {
  readonly signal: AbortSignal
  readonly topicId?: string | null
  /** Called at the moment of sending: what it throws is thrown, and nothing is sent. */
  readonly beforeSend?: () => void
}

/**
 * With a `topicId` that topic alone is deleted, and not another one of its name.
 * @throws {BrokerError} UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID when there is none
 */
export async function deleteTopic (cluster: Cluster, topic: string, { signal, topicId = null, beforeSend = () => {} }: DeleteTopicOptions): Promise<void> {
  const row = topicId === null ? { name: topic, topicId: ZERO_UUID } : { name: null, topicId }
  await askController(cluster, DeleteTopics, version => {
    beforeSend()
    return { ...(version >= ROWS_VERSION ? { topics: [row] } : { topicNames: [topic] }), timeoutMs: ADMIN_TIMEOUT_MS }
  }, {
    signal,
    ...(topicId === null ? {} : { minVersion: ROWS_VERSION }),
    check: body => { checkAnswer(body.responses.find(answer => topicId === null ? answer.name === topic : answer.topicId === topicId), `DeleteTopics ${topic}`) }
  })
}
