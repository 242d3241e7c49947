/** What a link does besides shadowing topics: its consumer groups, its security and its schemas, each a task of its own. */
import type { Cluster, ClusterView } from '../../client/cluster.ts'
import type { RegistryEndpoint } from '../../config/link/registry-endpoint.ts'
import type { SecretLookup } from '../../config/secrets/link-secrets.ts'
import type { Logger } from '../../observability/logger.ts'
import { NO_CLAIMS, type RecordedClaims } from '../../state/group-claims.ts'
import type { LinkState } from '../../state/link-state.ts'
import type { LinkRecord, SchemaRegistryRecord, SchemaSubjectRecord, SecurityRecord, StateChange } from '../../state/records.ts'
import type { TaskStatus } from '../link-service.ts'
import type { ShadowTopic } from './shadow-topic.ts'
import { GroupSync } from './tasks/groups/group-sync.ts'
import { SchemaShadowing } from './tasks/schemas/schema-shadowing.ts'
import { SecuritySync } from './tasks/security/security-sync.ts'
import { TaskLoop, type TaskOptions } from './tasks/task-loop.ts'

/** What they begin from, and what they need of the engine. */
export interface TaskParts {
  readonly claims: RecordedClaims
  /** What the link has added of ACLs, quotas and users. */
  readonly security: readonly SecurityRecord[]
  /** What the link did to the shadow's schema registry before. */
  readonly schemas: { readonly registry: SchemaRegistryRecord | null, readonly subjects: readonly SchemaSubjectRecord[] }
  /** Where schemas are copied to by API; null where `kshadow run` does not say. */
  readonly shadowRegistry: RegistryEndpoint | null
  /** What opens the secrets of the source's schema registry. */
  readonly sourceRegistrySecrets: SecretLookup
  /** Another client of the source. */
  readonly connectSource: () => Cluster
  /** False when another engine may lead by now. */
  readonly isLeading: () => boolean
  /** True when another link has added the same thing. */
  readonly isSecurityShared: (id: string) => boolean
}

/** What the state topic has of these for a link. */
export function recordedParts (state: LinkState | null, link: string): Pick<TaskParts, 'security' | 'schemas' | 'claims'> {
  return {
    security: state?.securityOf(link) ?? [],
    schemas: { registry: state?.schemaRegistries.get(link) ?? null, subjects: state?.schemaSubjectsOf(link) ?? [] },
    claims: state?.claimsOf(link) ?? NO_CLAIMS
  }
}

export interface LinkTasksHost extends TaskParts {
  readonly source: Cluster
  readonly shadow: Cluster
  readonly topics: ReadonlyMap<string, ShadowTopic>
  readonly record: () => LinkRecord
  /** A task's own options, unless all of the link is paused. */
  readonly taskOptions: <T extends TaskOptions>(options: T) => T
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
  /** Throws when the source is not the cluster that the link was made for. */
  readonly checkSource: (view: ClusterView) => void
  readonly wakeSync: () => void
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
}

export class LinkTasks {
  readonly groups: GroupSync
  readonly security: SecuritySync
  /** Null where schemas are not copied by API. */
  readonly schemas: SchemaShadowing | null
  readonly #now: () => number
  readonly #loops: readonly TaskLoop[]
  /** Since when all topics have been open in the promotion of the link, by `now`; null before. */
  #openSinceMs: number | null = null

  constructor (host: LinkTasksHost) {
    const { record, taskOptions, signal, logger, wallClock } = host
    const link = record().config.name
    const isFailedOver = (): boolean => record().failedOverAt !== null
    this.#now = host.now
    this.groups = new GroupSync({ ...host, name: link, uid: record().uid, recorded: host.claims, options: () => taskOptions(record().config.groupSync) })
    this.security = new SecuritySync({
      ...host,
      link,
      options: () => taskOptions(record().config.securitySync),
      records: host.security,
      isFailedOver,
      isShared: host.isSecurityShared
    })
    this.#loops = [this.groups, this.security].map(work => new TaskLoop(work, { link, signal, logger, wallClock }))
    const { schemaSync } = record().config
    this.schemas = schemaSync?.mode !== 'api'
      ? null
      : new SchemaShadowing({
        ...host,
        ...host.schemas,
        link,
        api: schemaSync.api,
        options: () => taskOptions({ intervalMs: schemaSync.api.tailIntervalMs, paused: isSchemaSyncPaused(record()) }),
        isFailedOver,
        onLooked: () => { if (record().promotingAt !== null) host.wakeSync() }
      })
  }

  /** Ends by the signal only. */
  async run (): Promise<void> {
    await Promise.all([...this.#loops.map(loop => loop.run()), this.schemas?.run()])
  }

  wake (): void {
    for (const loop of this.#loops) loop.wake()
    this.schemas?.wake()
  }

  get statuses (): TaskStatus[] {
    return [...this.#loops.map(({ status }) => status), ...(this.schemas === null ? [] : [this.schemas.taskStatus])]
  }

  /** A failover of the whole link was recorded. */
  end (): void {
    this.schemas?.end()
    this.wake()
  }

  /** Whether the promotion of the link has nothing to wait for in the source's schema registry: it was looked at once more since all topics were open. */
  isSchemasLevel (): boolean {
    if (this.schemas === null) return true
    this.#openSinceMs ??= this.#now()
    if (this.schemas.isLevelSince(this.#openSinceMs)) return true
    this.schemas.wake()
    return false
  }

  /** After the signal. */
  async stopped (): Promise<void> {
    await this.security.stopped()
  }
}

function isSchemaSyncPaused ({ config: { schemaSync } }: LinkRecord): boolean {
  return schemaSync?.mode === 'api' && schemaSync.api.paused
}
