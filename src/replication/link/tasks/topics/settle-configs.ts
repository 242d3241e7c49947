import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { BrokerError } from '../../../../errors.ts'

/** Null sets a config back to its default. All are changed, or none. @throws {BrokerError} what the cluster has against it */
export type AlterConfigs = (topic: string, changes: ReadonlyMap<string, string | null>) => Promise<void>

/**
 * Sets what the shadow cluster takes, one by one where it refuses all together. Returns the values that it refused, with its reasons; with
 * `resetsRefused` those go back to their defaults.
 */
export async function settleConfigs (alter: AlterConfigs, topic: string, changes: ReadonlyMap<string, string | null>, { resetsRefused }: { readonly resetsRefused: boolean }): Promise<Record<string, string>> {
  if (changes.size === 0 || await refusalOf(alter, topic, changes) === null) return {}
  const refused: Record<string, string> = {}
  for (const [name, value] of changes) {
    const reason = await refusalOf(alter, topic, new Map([[name, value]]))
    if (reason === null) continue
    refused[name] = `${value ?? 'the default'}: ${reason}`
    if (value !== null && resetsRefused) await refusalOf(alter, topic, new Map([[name, null]]))
  }
  return refused
}

/** The shadow cluster's reason if it refuses. */
async function refusalOf (alter: AlterConfigs, topic: string, changes: ReadonlyMap<string, string | null>): Promise<string | null> {
  try {
    await alter(topic, changes)
    return null
  } catch (error) {
    if (!isConfigRefusal(error)) throw error
    return error.message
  }
}

/** True for an error that is about the value of a config, or may be. */
export function isConfigRefusal (error: unknown): error is BrokerError {
  const refusals: readonly number[] = [ErrorCodes.INVALID_CONFIG, ErrorCodes.INVALID_REQUEST, ErrorCodes.POLICY_VIOLATION]
  return error instanceof BrokerError && refusals.includes(error.wireCode)
}
