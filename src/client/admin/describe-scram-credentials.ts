import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DescribeUserScramCredentials } from '../../../protocol/messages/describe-user-scram-credentials.ts'
import { BrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { scramMechanism, type ScramCredentialInfo } from './scram-credential.ts'

/**
 * Which SCRAM credentials these users have; a user without any is left out. Needs Describe on the cluster. All users at once are not asked
 * for: a broker that does not allow it never answers (facts/security-experiments.md §5).
 * @throws {BrokerError} CLUSTER_AUTHORIZATION_FAILED and others, also for a single user; {ShadowError} when no broker can be asked
 */
export async function describeScramCredentials (cluster: Cluster, users: readonly string[], { signal }: { readonly signal: AbortSignal }): Promise<ScramCredentialInfo[]> {
  const asked = new Set(users)
  if (asked.size === 0) return []
  const { body } = await cluster.request(DescribeUserScramCredentials, { users: [...asked].map(name => ({ name })) }, 'any', { signal, purpose: 'slow' })
  if (body.errorCode !== ErrorCodes.NONE) throw new BrokerError(body.errorCode, 'DescribeUserScramCredentials', body.errorMessage)
  const infos: ScramCredentialInfo[] = []
  for (const { user, errorCode, errorMessage, credentialInfos } of body.results) {
    asked.delete(user)
    if (errorCode === ErrorCodes.RESOURCE_NOT_FOUND) continue
    if (errorCode !== ErrorCodes.NONE) throw new BrokerError(errorCode, `DescribeUserScramCredentials ${user}`, errorMessage)
    for (const { mechanism: code, iterations } of credentialInfos) {
      const mechanism = scramMechanism(code)
      if (mechanism !== null) infos.push({ user, mechanism, iterations })
    }
  }
  const [missing] = asked
  if (missing !== undefined) throw new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, `DescribeUserScramCredentials ${missing}`, 'the answer has no row for it')
  return infos
}
