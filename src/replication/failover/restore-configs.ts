import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { BrokerError } from '../../errors.ts'
import type { ShadowTopic } from '../link/shadow-topic.ts'
import { failoverConfigs } from '../link/tasks/topics/topic-configs.ts'

/** Null sets a config back to its default. */
export type AlterConfigs = (topic: string, changes: ReadonlyMap<string, string | null>) => Promise<void>

export interface RestoreOptions {
  /** Changes configs of a topic of the shadow cluster, all or none. @throws {BrokerError} what that has against it */
  readonly alter: AlterConfigs
  /** The configs that the topic has because it is a shadow. */
  readonly shadowing: Readonly<Record<string, string>>
}

/**
 * Sets the source's configs. What the shadow cluster refuses goes back to its default, one by one, and is reported: a topic must
 * not keep forever what was only meant for shadowing.
 */
export async function restoreConfigs (topic: ShadowTopic, { alter, shadowing }: RestoreOptions): Promise<Record<string, string>> {
  const changes = failoverConfigs(topic.record.configs, shadowing)
  try {
    await alter(topic.topic, changes)
    return {}
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
  const refused: Record<string, string> = {}
  for (const [name, value] of changes) {
    const reason = await refusalOf(alter, topic.topic, name, value)
    if (reason === null) continue
    refused[name] = `${value ?? 'the default'}: ${reason}`
    if (value !== null) await refusalOf(alter, topic.topic, name, null)
  }
  return refused
}

/** Sets one config; the shadow cluster's reason if it refuses. */
async function refusalOf (alter: AlterConfigs, topic: string, name: string, value: string | null): Promise<string | null> {
  try {
    await alter(topic, new Map([[name, value]]))
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
