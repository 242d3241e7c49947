/** Brokers that keep ACLs, quotas and SCRAM users as Kafka does, refuse what a test wants refused, and a security task between two of them. */
import type { Test } from 'tap'
import { AlterClientQuotas } from '../../protocol/messages/alter-client-quotas.ts'
import { AlterUserScramCredentials } from '../../protocol/messages/alter-user-scram-credentials.ts'
import { CreateAcls } from '../../protocol/messages/create-acls.ts'
import { DeleteAcls } from '../../protocol/messages/delete-acls.ts'
import { DescribeAcls } from '../../protocol/messages/describe-acls.ts'
import { DescribeClientQuotas } from '../../protocol/messages/describe-client-quotas.ts'
import { DescribeUserScramCredentials } from '../../protocol/messages/describe-user-scram-credentials.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { ACL_OPERATIONS, ACL_PERMISSIONS, formatAcl, PATTERN_TYPES, RESOURCE_TYPES, type AclBinding } from '../../src/client/admin/acl.ts'
import { formatQuotaEntity, quotaEntity, type QuotaEntity } from '../../src/client/admin/client-quota.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { securitySync } from '../../src/config/link/security-sync-options.ts'
import { silentLogger, type Logger } from '../../src/observability/logger.ts'
import { SecuritySync } from '../../src/replication/link/tasks/security/security-sync.ts'
import type { TaskOutcome } from '../../src/replication/link/tasks/task-loop.ts'
import { encodeValue, keyOf, type SecurityRecord, type StateChange } from '../../src/state/records.ts'
import { ScriptedPeer, type ScriptedPeerOptions } from './scripted-peer.ts'

export interface ScramEntry {
  readonly mechanism: number
  readonly iterations: number
  readonly salt: Buffer
  readonly saltedPassword: Buffer
}

export function acl (principal: string, resourceName: string, over: Partial<AclBinding> = {}): AclBinding {
  return {
    resourceType: RESOURCE_TYPES.TOPIC, resourceName, patternType: PATTERN_TYPES.LITERAL, principal, host: '*', operation: ACL_OPERATIONS.READ, permission: ACL_PERMISSIONS.ALLOW, ...over
  }
}

const NO_ERROR = { throttleTimeMs: 0, errorCode: 0, errorMessage: null }

export class SecurityPeer {
  readonly peer: ScriptedPeer
  readonly #clients: Cluster[] = []
  readonly #acls = new Map<string, AclBinding>()
  readonly quotas = new Map<string, { readonly entity: QuotaEntity, readonly values: Map<string, number> }>()
  /** By user. */
  readonly users = new Map<string, ScramEntry[]>()
  /** Error codes by the name of an API, for all that it is asked. */
  readonly errors = new Map<string, number>()
  /** The error code that an entry is refused with, by its text; 0 for none. */
  refuses: (text: string) => number = () => 0
  /** Called before a change is carried out, with the API's name; false: the connection is cut afterwards, without an answer. */
  onChange: (api: string) => Promise<boolean> | boolean = () => true
  /** What was changed, in order, in words. */
  readonly changes: string[] = []
  clusterId: string

  private constructor (peer: ScriptedPeer, clusterId: string) {
    this.peer = peer
    this.clusterId = clusterId
    this.#answer()
  }

  static async start (t: Test, clusterId: string, options?: ScriptedPeerOptions): Promise<SecurityPeer> {
    const peer = new SecurityPeer(await ScriptedPeer.start(options), clusterId)
    t.teardown(async () => {
      await Promise.all(peer.#clients.map(client => client.close()))
      await peer.peer.stop()
    })
    return peer
  }

  /** A client of its own, as every engine has. */
  connect (): Cluster {
    const client = new Cluster({ bootstrapServers: [this.peer.address], clientId: 'test', logger: silentLogger, requestTimeoutMs: 5000 })
    this.#clients.push(client)
    return client
  }

  get acls (): string[] {
    return [...this.#acls.keys()].sort()
  }

  grant (...acls: readonly AclBinding[]): void {
    for (const entry of acls) this.#acls.set(formatAcl(entry), entry)
  }

  revoke (...acls: readonly AclBinding[]): void {
    for (const entry of acls) this.#acls.delete(formatAcl(entry))
  }

  limit (entity: QuotaEntity, key: string, value: number | null): void {
    const name = formatQuotaEntity(entity)
    const known = this.quotas.get(name) ?? { entity, values: new Map<string, number>() }
    if (value === null) known.values.delete(key)
    else known.values.set(key, value)
    if (known.values.size === 0) this.quotas.delete(name)
    else this.quotas.set(name, known)
  }

  limits (): Record<string, Record<string, number>> {
    return Object.fromEntries([...this.quotas].map(([name, { values }]) => [name, Object.fromEntries(values)]))
  }

  #codeFor (api: { readonly name: string }, text: string): { errorCode: number, errorMessage: string | null } {
    const errorCode = this.errors.get(api.name) ?? this.refuses(text)
    return { errorCode, errorMessage: errorCode === 0 ? null : `refused: ${text}` }
  }

  #answer (): void {
    const { peer } = this
    peer.on(Metadata, () => ({ brokers: [{ nodeId: 1, ...peer.address }], clusterId: this.clusterId, controllerId: 1, topics: [] }))
    peer.on(DescribeAcls, ({ body }) => {
      const errorCode = this.errors.get(DescribeAcls.name) ?? 0
      if (errorCode !== 0) return { throttleTimeMs: 0, errorCode, errorMessage: 'not told', resources: [] }
      const matches = (entry: AclBinding): boolean => (body.resourceTypeFilter === RESOURCE_TYPES.ANY || body.resourceTypeFilter === entry.resourceType) &&
        (body.resourceNameFilter === null || body.resourceNameFilter === entry.resourceName) && (body.principalFilter === null || body.principalFilter === entry.principal) &&
        (body.operation === ACL_OPERATIONS.ANY || body.operation === entry.operation)
      return {
        ...NO_ERROR,
        resources: [...this.#acls.values()].filter(matches).map(({ resourceType, resourceName, patternType, principal, host, operation, permission }) =>
          ({ resourceType, resourceName, patternType, acls: [{ principal, host, operation, permissionType: permission }] }))
      }
    })
    peer.on(CreateAcls, async ({ body, connection }) => {
      const isAnswered = await this.onChange(CreateAcls.name)
      const results = body.creations.map(({ resourcePatternType, permissionType, ...rest }) => {
        const entry = { ...rest, patternType: resourcePatternType, permission: permissionType }
        const outcome = this.#codeFor(CreateAcls, formatAcl(entry))
        if (outcome.errorCode === 0) {
          this.changes.push(`+ ${formatAcl(entry)}`)
          this.grant(entry)
        }
        return outcome
      })
      if (isAnswered) return { throttleTimeMs: 0, results }
      connection.socket.destroy()
      return null
    })
    peer.on(DeleteAcls, async ({ body }) => {
      await this.onChange(DeleteAcls.name)
      return {
        throttleTimeMs: 0,
        filterResults: body.filters.map(filter => {
          const entry: AclBinding = {
            resourceType: filter.resourceTypeFilter,
            resourceName: filter.resourceNameFilter ?? '',
            patternType: filter.patternTypeFilter,
            principal: filter.principalFilter ?? '',
            host: filter.hostFilter ?? '',
            operation: filter.operation,
            permission: filter.permissionType
          }
          const outcome = this.#codeFor(DeleteAcls, formatAcl(entry))
          if (outcome.errorCode === 0) {
            this.changes.push(`- ${formatAcl(entry)}`)
            this.revoke(entry)
          }
          return { ...outcome, matchingAcls: [] }
        })
      }
    })
    peer.on(DescribeClientQuotas, () => {
      const errorCode = this.errors.get(DescribeClientQuotas.name) ?? 0
      return {
        throttleTimeMs: 0,
        errorCode,
        errorMessage: null,
        entries: errorCode !== 0 ? null : [...this.quotas.values()].map(({ entity, values }) => ({ entity: entity.map(({ type, name }) => ({ entityType: type, entityName: name })), values: [...values].map(([key, value]) => ({ key, value })) }))
      }
    })
    peer.on(AlterClientQuotas, async ({ body }) => {
      await this.onChange(AlterClientQuotas.name)
      return {
        throttleTimeMs: 0,
        entries: body.entries.map(({ entity: parts, ops }) => {
          const entity = quotaEntity(parts.map(({ entityType, entityName }) => ({ type: entityType, name: entityName })))
          const outcome = this.#codeFor(AlterClientQuotas, formatQuotaEntity(entity))
          if (outcome.errorCode === 0) for (const { key, value, remove } of ops) this.limit(entity, key, remove ? null : value)
          return { ...outcome, entity: parts }
        })
      }
    })
    peer.on(DescribeUserScramCredentials, ({ body }) => {
      const errorCode = this.errors.get(DescribeUserScramCredentials.name) ?? 0
      if (body.users === null) throw new Error('all users were asked for, which a broker may never answer')
      return {
        throttleTimeMs: 0,
        errorCode,
        errorMessage: null,
        results: errorCode !== 0
          ? []
          : body.users.map(({ name }) => {
            const entries = this.users.get(name) ?? []
            return { user: name, errorCode: entries.length === 0 ? 91 : 0, errorMessage: null, credentialInfos: entries.map(({ mechanism, iterations }) => ({ mechanism, iterations })) }
          })
      }
    })
    peer.on(AlterUserScramCredentials, async ({ body }) => {
      await this.onChange(AlterUserScramCredentials.name)
      const outcomes = new Map<string, { errorCode: number, errorMessage: string | null }>()
      for (const { name } of [...body.upsertions, ...body.deletions]) outcomes.set(name, this.#codeFor(AlterUserScramCredentials, name))
      const others = (name: string, mechanism: number): ScramEntry[] => (this.users.get(name) ?? []).filter(entry => entry.mechanism !== mechanism)
      for (const { name, ...entry } of body.upsertions) {
        if (outcomes.get(name)?.errorCode !== 0) continue
        this.changes.push(`+ ${name} ${entry.mechanism}`)
        this.users.set(name, [...others(name, entry.mechanism), entry])
      }
      for (const { name, mechanism } of body.deletions) {
        if (outcomes.get(name)?.errorCode !== 0) continue
        this.changes.push(`- ${name} ${mechanism}`)
        this.users.set(name, others(name, mechanism))
      }
      return { throttleTimeMs: 0, results: [...outcomes].map(([user, outcome]) => ({ user, ...outcome })) }
    })
  }
}

export interface SecuritySceneOptions {
  /** The section `security_sync_options`. */
  readonly options?: Readonly<Record<string, unknown>>
  readonly environment?: Readonly<Record<string, string>>
  readonly logger?: Logger
  readonly sourceVersions?: ScriptedPeerOptions['versions']
}

/** A source, a shadow, what the state topic would have, and tasks that begin from it. */
export class SecurityScene {
  readonly source: SecurityPeer
  readonly shadow: SecurityPeer
  /** The state topic, by key; with the bytes as they would be stored. */
  readonly stored = new Map<string, { readonly record: SecurityRecord, readonly bytes: string }>()
  /** Records that were written in all, removals too. */
  written = 0
  options: Readonly<Record<string, unknown>>
  isLeading = true
  isFailedOver = false
  sharedIds: ReadonlySet<string> = new Set()
  nowMs = 0
  /** Called before records are written; what it throws is what the writer throws. */
  onWrite: (changes: readonly StateChange[]) => void = () => {}
  readonly #settings: SecuritySceneOptions

  static async start (t: Test, settings: SecuritySceneOptions = {}): Promise<SecurityScene> {
    const source = await SecurityPeer.start(t, 'source-cluster', settings.sourceVersions === undefined ? {} : { versions: settings.sourceVersions })
    return new SecurityScene(source, await SecurityPeer.start(t, 'shadow-cluster'), settings)
  }

  private constructor (source: SecurityPeer, shadow: SecurityPeer, settings: SecuritySceneOptions) {
    this.source = source
    this.shadow = shadow
    this.#settings = settings
    this.options = settings.options ?? {}
  }

  /** The task of an engine that begins to lead. */
  task (link = 'dr'): SecuritySync {
    return new SecuritySync({
      link,
      source: this.source.connect(),
      shadow: this.shadow.connect(),
      connectSource: () => { throw new Error('the source is no shadow cluster') },
      options: () => securitySync.parse({ mass_deletion_delay: '1m', ...this.options }),
      records: [...this.stored.values()].map(({ record }) => record),
      write: async changes => {
        this.onWrite(changes)
        for (const change of changes) this.#store(change)
      },
      isLeading: () => this.isLeading,
      isFailedOver: () => this.isFailedOver,
      isShared: id => this.sharedIds.has(id),
      checkSource: ({ clusterId }) => { if (clusterId !== 'source-cluster') throw new Error(`the source is ${clusterId ?? 'nobody'}`) },
      signal: new AbortController().signal,
      logger: this.#settings.logger ?? silentLogger,
      now: () => this.nowMs,
      wallClock: () => new Date('2026-01-02T03:04:05Z'),
      environment: this.#settings.environment ?? {}
    })
  }

  /** Runs a task so many times, and returns what the last run said. */
  async run (task: SecuritySync, times = 1): Promise<TaskOutcome> {
    let outcome = await task.run()
    for (let round = 1; round < times; round++) outcome = await task.run()
    return outcome
  }

  #store (change: StateChange): void {
    if (change.kind !== 'security') throw new Error(`a ${change.kind} record`)
    this.written++
    const key = keyOf(change)
    if (change.value === null) this.stored.delete(key)
    else this.stored.set(key, { record: change.value, bytes: `${key} ${encodeValue(change, 1)?.toString('utf8') ?? ''}` })
  }
}
