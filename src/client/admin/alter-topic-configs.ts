import { IncrementalAlterConfigs } from '../../../protocol/messages/incremental-alter-configs.ts'
import type { Cluster } from '../cluster.ts'
import { ADMIN_REQUEST_TIMEOUT_MS } from './admin-timeout.ts'
import { checkAnswer } from './check-answer.ts'
import { TOPIC_RESOURCE } from './config-resource.ts'

/** `AlterConfigOp.OpType`. */
const SET = 0
const DELETE = 1

/**
 * Changes configs of a topic and leaves all others as they are (KIP-339, brokers from 2.3 on): all changes or none. Null sets a
 * config back to its default. Any broker takes the request and passes it on to the controller.
 * @throws {BrokerError} INVALID_CONFIG and others, with the cluster's reason
 */
export async function alterTopicConfigs (cluster: Cluster, topic: string, changes: ReadonlyMap<string, string | null>, options: { readonly signal: AbortSignal, readonly validateOnly?: boolean }): Promise<void> {
  const { signal, validateOnly = false } = options
  if (changes.size === 0) return
  const configs = [...changes].map(([name, value]) => ({ name, configOperation: value === null ? DELETE : SET, value }))
  const { body } = await cluster.request(IncrementalAlterConfigs, {
    resources: [{ resourceType: TOPIC_RESOURCE, resourceName: topic, configs }], validateOnly
  }, 'any', { signal, purpose: 'admin', timeoutMs: ADMIN_REQUEST_TIMEOUT_MS })
  checkAnswer(body.responses.find(({ resourceType, resourceName }) => resourceType === TOPIC_RESOURCE && resourceName === topic), `IncrementalAlterConfigs ${topic}`)
}
