import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { IncrementalAlterConfigs } from '../../../protocol/messages/incremental-alter-configs.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { ADMIN_REQUEST_TIMEOUT_MS } from './admin-timeout.ts'
import { TOPIC_RESOURCE } from './config-resource.ts'

/** `AlterConfigOp.OpType`. */
const SET = 0
const DELETE = 1

export interface TopicConfigChanges {
  readonly topic: string
  /** Null sets a config back to its default. */
  readonly changes: ReadonlyMap<string, string | null>
}

export interface AlterConfigsOptions {
  readonly signal: AbortSignal
  readonly validateOnly?: boolean
}

/**
 * Changes configs of topics and leaves all others as they are (KIP-339, brokers from 2.3 on): of each topic all changes or none. No topic
 * may be there twice. Any broker takes the request and passes it on to the controller. Returns what the cluster has against the
 * changes of each, in their order: INVALID_CONFIG and others, with its reason; null where they were made.
 * @throws {ShadowError} when no broker can be asked
 */
export async function alterConfigsOfTopics (cluster: Cluster, rows: readonly TopicConfigChanges[], { signal, validateOnly = false }: AlterConfigsOptions): Promise<Array<BrokerError | null>> {
  const asked = rows.filter(({ changes }) => changes.size > 0)
  if (asked.length === 0) return rows.map(() => null)
  const { body } = await cluster.request(IncrementalAlterConfigs, {
    resources: asked.map(({ topic, changes }) => ({
      resourceType: TOPIC_RESOURCE,
      resourceName: topic,
      configs: [...changes].map(([name, value]) => ({ name, configOperation: value === null ? DELETE : SET, value }))
    })),
    validateOnly
  }, 'any', { signal, purpose: 'admin', timeoutMs: ADMIN_REQUEST_TIMEOUT_MS })
  const answers = new Map(body.responses.filter(({ resourceType }) => resourceType === TOPIC_RESOURCE).map(row => [row.resourceName, row]))
  return rows.map(({ topic, changes }) => {
    const what = `IncrementalAlterConfigs ${topic}`
    const answer = answers.get(topic)
    if (changes.size === 0 || answer?.errorCode === ErrorCodes.NONE) return null
    return answer === undefined ? new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, what, 'the answer has no row for it') : new BrokerError(answer.errorCode, what, answer.errorMessage)
  })
}

/**
 * The same for one topic.
 * @throws {BrokerError} what the cluster has against it
 */
export async function alterTopicConfigs (cluster: Cluster, topic: string, changes: ReadonlyMap<string, string | null>, options: AlterConfigsOptions): Promise<void> {
  const [refusal] = await alterConfigsOfTopics(cluster, [{ topic, changes }], options)
  if (refusal != null) throw refusal
}
