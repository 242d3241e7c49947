/** What a link would find of ACLs, quotas and users. None of it keeps a link from being created. */
import { ALL_ACLS } from '../../client/admin/acl.ts'
import { describeAcls } from '../../client/admin/describe-acls.ts'
import { describeClientQuotas } from '../../client/admin/describe-client-quotas.ts'
import type { Cluster } from '../../client/cluster.ts'
import type { LinkConfig } from '../../config/link-config.ts'
import { ok, warning, whyNot, type PreflightFinding } from './preflight-finding.ts'
import { readUsersFile } from './tasks/security/read-users-file.ts'

export interface SecurityPreflightOptions {
  readonly config: LinkConfig
  readonly source: Cluster
  readonly shadow: Cluster
  /** Ends when the time for it is over. */
  readonly signal: AbortSignal
}

export async function checkSecurity ({ config: { securitySync }, source, shadow, signal }: SecurityPreflightOptions): Promise<PreflightFinding[]> {
  const { paused, syncAcls, syncQuotas, usersFile } = securitySync
  if (paused) return [ok('security', 'its task is paused by the link')]
  const counted = async (name: string, ask: (cluster: Cluster) => Promise<readonly unknown[]>, advice: string): Promise<PreflightFinding> => {
    try {
      const [theirs, mine] = await Promise.all([ask(source), ask(shadow)])
      return ok(name, `the source has ${theirs.length}, before filters; the shadow cluster has ${mine.length}, which are left alone`)
    } catch (error) {
      return warning(name, `they cannot be known on both clusters: ${whyNot(error, signal)}`, advice)
    }
  }
  return await Promise.all([
    ...(syncAcls
      ? [counted('ACLs', cluster => describeAcls(cluster, ALL_ACLS, { signal }), 'both clusters need an authorizer, and the engine\'s users the right Describe on the cluster (Alter on the shadow\'s); or set security_sync_options.sync_acls: false')]
      : [unwantedFinding(source, signal)]),
    ...(syncQuotas
      ? [counted('quotas', cluster => describeClientQuotas(cluster, { signal }), 'the engine\'s users need the right DescribeConfigs on the cluster (AlterConfigs too on the shadow\'s); or set security_sync_options.sync_quotas: false')]
      : []),
    ...(usersFile === null ? [] : [usersFinding(usersFile)])
  ])
}

/** ACLs that nobody asked for are told of: after a failover it is too late. */
async function unwantedFinding (source: Cluster, signal: AbortSignal): Promise<PreflightFinding> {
  const count = await describeAcls(source, ALL_ACLS, { signal }).then(acls => acls.length, () => 0)
  return count === 0
    ? ok('ACLs', 'none are shadowed, and the source shows none')
    : warning('ACLs', `the source has ${count}, and the link shadows none of them`, 'add security_sync_options: {} to the link, if the shadow cluster does not have its own')
}

async function usersFinding (path: string): Promise<PreflightFinding> {
  try {
    return ok('users', `${(await readUsersFile(path, process.env)).length} credentials are in ${path}`)
  } catch (error) {
    return warning('users', whyNot(error, new AbortController().signal), 'mend the file; every host that an engine may lead on needs it')
  }
}
