import { DeleteTopics } from '../../../protocol/messages/delete-topics.ts'
import { ZERO_UUID } from '../../../protocol/schema/field.ts'
import type { Cluster } from '../cluster.ts'
import { ADMIN_TIMEOUT_MS } from './admin-timeout.ts'
import { askController } from './ask-controller.ts'
import { checkAnswer } from './check-answer.ts'

/** From this version on topics are named in rows that also have room for an id. */
const ROWS_VERSION = 6

/** @throws {BrokerError} UNKNOWN_TOPIC_OR_PARTITION when there is none of this name */
export async function deleteTopic (cluster: Cluster, topic: string, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  await askController(cluster, DeleteTopics, version => ({
    ...(version >= ROWS_VERSION ? { topics: [{ name: topic, topicId: ZERO_UUID }] } : { topicNames: [topic] }),
    timeoutMs: ADMIN_TIMEOUT_MS
  }), {
    signal,
    check: body => { checkAnswer(body.responses.find(({ name }) => name === topic), `DeleteTopics ${topic}`) }
  })
}
