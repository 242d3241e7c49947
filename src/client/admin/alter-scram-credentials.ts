import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { AlterUserScramCredentials } from '../../../protocol/messages/alter-user-scram-credentials.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { askController } from './ask-controller.ts'
import { SCRAM_MECHANISMS, type ScramMechanism } from './scram-credential.ts'

/** What a credential is to be; `saltedPassword` is a secret (RFC 5802: PBKDF2 of the password). */
export interface ScramUpsertion {
  readonly user: string
  readonly mechanism: ScramMechanism
  readonly iterations: number
  readonly salt: Buffer
  readonly saltedPassword: Buffer
}

export interface ScramDeletion {
  readonly user: string
  readonly mechanism: ScramMechanism
}

/**
 * Sets and removes SCRAM credentials, of each user all that is asked or nothing. Returns what the cluster has against a user, by name; users
 * that are not in it are as was asked. Needs Alter on the cluster. No error carries a secret.
 * @throws {BrokerError} NOT_CONTROLLER, asked twice; {ShadowError} when the controller cannot be asked: nobody knows then what was changed
 */
export async function alterScramCredentials (cluster: Cluster, { upsertions = [], deletions = [] }: {
  readonly upsertions?: readonly ScramUpsertion[]
  readonly deletions?: readonly ScramDeletion[]
}, { signal }: { readonly signal: AbortSignal }): Promise<Map<string, BrokerError>> {
  const refused = new Map<string, BrokerError>()
  const missing = new Set([...upsertions, ...deletions].map(({ user }) => user))
  if (missing.size === 0) return refused
  await askController(cluster, AlterUserScramCredentials, {
    deletions: deletions.map(({ user, mechanism }) => ({ name: user, mechanism: SCRAM_MECHANISMS[mechanism] })),
    upsertions: upsertions.map(({ user, mechanism, iterations, salt, saltedPassword }) => ({ name: user, mechanism: SCRAM_MECHANISMS[mechanism], iterations, salt, saltedPassword }))
  }, {
    signal,
    check: ({ results }) => {
      for (const { user, errorCode, errorMessage } of results) {
        missing.delete(user)
        if (errorCode === ErrorCodes.NONE) continue
        const error = new BrokerError(errorCode, `AlterUserScramCredentials ${user}`, errorMessage)
        if (errorCode === ErrorCodes.NOT_CONTROLLER) throw error
        refused.set(user, error)
      }
    }
  })
  for (const user of missing) refused.set(user, new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, `AlterUserScramCredentials ${user}`, 'the answer has no row for it'))
  return refused
}
