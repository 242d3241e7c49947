/** What a cluster that does not show or take ACLs, quotas or users is told of: whoever hides them does not say that there are none. */
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { isBrokerError, messageOf, ShadowError } from '../../../../errors.ts'

export type Side = 'source' | 'shadow'

export interface Refusal {
  readonly side: Side
  /** What was asked, such as `which ACLs it has`. */
  readonly what: string
  /** Such as `Describe on the cluster`. */
  readonly right: string
  /** How the link does without, such as `set security_sync_options.sync_acls: false`. */
  readonly without: string
}

/** True for answers that concern all that is asked of a cluster, not a single entry. */
export function concernsAll (error: unknown): boolean {
  return isBrokerError(error, ErrorCodes.SECURITY_DISABLED) || isBrokerError(error, ErrorCodes.CLUSTER_AUTHORIZATION_FAILED)
}

/** The error as somebody reads it who has to do something about it; any other error as it is. */
export function explained (error: unknown, { side, what, right, without }: Refusal): Error {
  const cluster = side === 'source' ? 'the source' : 'the shadow cluster'
  const options = { cause: error }
  if (isBrokerError(error, ErrorCodes.SECURITY_DISABLED)) {
    return new ShadowError('CONFLICT', `${cluster} has no authorizer and does not say ${what} (${messageOf(error)}): nothing was changed. Set authorizer.class.name on its brokers and controllers, or ${without}`, options)
  }
  if (isBrokerError(error, ErrorCodes.CLUSTER_AUTHORIZATION_FAILED)) {
    return new ShadowError('CONFLICT', `${cluster} does not let the engine know or change ${what} (${messageOf(error)}). Give its user the right ${right}, or ${without}`, options)
  }
  if (error instanceof ShadowError && error.code === 'VERSION_UNSUPPORTED') {
    return new ShadowError('CONFLICT', `${cluster} cannot be asked ${what} (${messageOf(error)}): nothing was changed. To go without, ${without}`, options)
  }
  return error instanceof Error ? error : new TypeError(messageOf(error))
}

/** @throws what `ask` throws, explained */
export async function asked<T> (refusal: Refusal, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw explained(error, refusal)
  }
}
