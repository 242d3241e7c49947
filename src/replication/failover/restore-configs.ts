import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { alterTopicConfigs } from '../../client/admin/alter-topic-configs.ts'
import type { Cluster } from '../../client/cluster.ts'
import { BrokerError } from '../../errors.ts'
import type { ShadowTopic } from '../link/shadow-topic.ts'
import { failoverConfigs } from '../link/topic-configs.ts'

export interface RestoreOptions {
  readonly shadow: Cluster
  readonly signal: AbortSignal
  /** The configs that the topic has because it is a shadow. */
  readonly shadowing: Readonly<Record<string, string>>
}

/**
 * Sets the source's configs. What the shadow cluster refuses goes back to its default, one by one, and is reported: a topic must
 * not keep forever what was only meant for shadowing.
 */
export async function restoreConfigs (topic: ShadowTopic, { shadow, signal, shadowing }: RestoreOptions): Promise<Record<string, string>> {
  const changes = failoverConfigs(topic.record.configs, shadowing)
  try {
    await alterTopicConfigs(shadow, topic.topic, changes, { signal })
    return {}
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
  const refused: Record<string, string> = {}
  for (const [name, value] of changes) {
    const reason = await refusalOf(shadow, topic.topic, name, value, signal)
    if (reason === null) continue
    refused[name] = `${value ?? 'the default'}: ${reason}`
    if (value !== null) await refusalOf(shadow, topic.topic, name, null, signal)
  }
  return refused
}

/** Sets one config; the shadow cluster's reason if it refuses. */
async function refusalOf (shadow: Cluster, topic: string, name: string, value: string | null, signal: AbortSignal): Promise<string | null> {
  try {
    await alterTopicConfigs(shadow, topic, new Map([[name, value]]), { signal })
    return null
  } catch (error) {
    if (!isRefusal(error)) throw error
    return error.message
  }
}

function isRefusal (error: unknown): error is BrokerError {
  const refusals: readonly number[] = [ErrorCodes.INVALID_CONFIG, ErrorCodes.INVALID_REQUEST, ErrorCodes.POLICY_VIOLATION]
  return error instanceof BrokerError && refusals.includes(error.wireCode)
}
