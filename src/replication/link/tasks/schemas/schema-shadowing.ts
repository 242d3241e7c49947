/** The schemas of a link that copies them by API: the task, the two registries it speaks to, and the end of it. */
import type { RegistryEndpoint } from '../../../../config/link/registry-endpoint.ts'
import type { SchemaApiOptions } from '../../../../config/link/schema-sync-options.ts'
import type { SecretLookup } from '../../../../config/secrets/link-secrets.ts'
import { messageOf, ShadowError } from '../../../../errors.ts'
import { sleep } from '../../../../net/sleep.ts'
import type { Logger } from '../../../../observability/logger.ts'
import type { SchemaRegistryRecord, SchemaSubjectRecord, StateChange } from '../../../../state/records.ts'
import type { SchemaRegistryStatus, TaskStatus } from '../../../link-service.ts'
import { TaskLoop, type TaskOptions, type TaskOutcome } from '../task-loop.ts'
import { RegistryApi } from './registry-api.ts'
import { RegistryHttp } from './registry-http.ts'
import { RequestRate } from './request-rate.ts'
import { SchemaLedger } from './schema-ledger.ts'
import { SchemaSync } from './schema-sync.ts'
import { SubjectCopy } from './subject-copy.ts'
import { SubjectMap } from './subject-name.ts'

/** Redpanda's name of the task. */
const SCHEMA_SHADOWING = 'Schema Registry Shadowing'
const OPEN_POLL_MS = 100

export interface SchemaShadowingOptions {
  readonly link: string
  readonly api: SchemaApiOptions
  /** How often it is to run, and whether it is paused: asked before every run. */
  readonly options: () => TaskOptions
  /** Where `kshadow run` says that schemas are copied to; null where it does not. */
  readonly shadowRegistry: RegistryEndpoint | null
  readonly sourceRegistrySecrets: SecretLookup
  readonly registry: SchemaRegistryRecord | null
  readonly subjects: readonly SchemaSubjectRecord[]
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
  /** True once a failover of the whole link was asked for. */
  readonly isFailedOver: () => boolean
  /** A look at all subjects has ended. */
  readonly onLooked: () => void
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
}

export class SchemaShadowing {
  readonly #options: SchemaShadowingOptions
  readonly #task: TaskLoop
  readonly #ledger: SchemaLedger
  readonly #sync: SchemaSync
  readonly #https: readonly RegistryHttp[]
  readonly #following = new AbortController()

  constructor (options: SchemaShadowingOptions) {
    const { link, api, shadowRegistry, registry, subjects, write, signal, logger, now, wallClock } = options
    this.#options = options
    this.#ledger = new SchemaLedger({ link, registry, subjects, write })
    const clock = { now, sleep }
    const source = new RegistryHttp(api.source, { side: 'source', rate: new RequestRate(api.maxRequestsPerSecond, clock), clock, secrets: options.sourceRegistrySecrets })
    // Without a registry to copy to nothing is run: see #run.
    const shadow = new RegistryHttp(shadowRegistry ?? api.source, { side: 'shadow', rate: null, clock })
    this.#https = [source, shadow]
    const sourceSignal = AbortSignal.any([signal, this.#following.signal])
    const map = new SubjectMap(api)
    const common = { source: new RegistryApi(source), shadow: new RegistryApi(shadow), map, ledger: this.#ledger, sourceSignal, signal }
    const copy = new SubjectCopy({ ...common, unsupportedFeatures: api.unsupportedFeatures, mayWrite: () => !options.isFailedOver() })
    this.#sync = new SchemaSync({ ...common, copy, options: api, isOver: options.isFailedOver, logger, now, wallClock })
    this.#task = new TaskLoop({
      name: SCHEMA_SHADOWING,
      // What is paused has to be given back all the same.
      options: () => {
        const wanted = options.options()
        return { ...wanted, paused: wanted.paused && !options.isFailedOver() }
      },
      run: () => this.#run(),
      whilePaused: () => Promise.resolve({ reason: 'paused by the link\'s configuration: no schemas are copied, and the shadow registry stays as it is, in mode IMPORT', problems: [] })
    }, { link, signal, logger, wallClock })
  }

  get taskStatus (): TaskStatus {
    return this.#task.status
  }

  get status (): SchemaRegistryStatus {
    return this.#sync.status(this.#options.api.source.url, this.#options.shadowRegistry?.url ?? null)
  }

  /** Ends by the signal only. */
  async run (): Promise<void> {
    await this.#task.run()
    for (const http of this.#https) http.close()
  }

  /** Has the task look soon. */
  wake (): void {
    this.#task.wake()
  }

  /** After a failover of the link was recorded: nothing more is copied, and the registry is given back at once. */
  end (): void {
    this.#following.abort()
    this.#task.wake()
  }

  /** True when all that the source's registry had at `sinceMs` (by `now`) is on the shadow, as far as anybody knows. */
  isLevelSince (sinceMs: number): boolean {
    return this.#options.options().paused || (this.#sync.lastLookStartMs >= sinceMs && this.#sync.problems.size === 0)
  }

  /** After `end`: resolves when the registry was given back, with null, or with the reason why it was not after `timeoutMs`. */
  async opened (timeoutMs: number): Promise<string | null> {
    const deadlineMs = performance.now() + timeoutMs
    while (this.#ledger.registry.openedAt === null && performance.now() < deadlineMs) await sleep(OPEN_POLL_MS, this.#options.signal)
    return this.#ledger.registry.openedAt === null ? `the shadow registry could not be given back: ${this.#task.status.reason}` : null
  }

  removals (): StateChange[] {
    return this.#ledger.removals()
  }

  /** See LinkState.fenced; null for the registry's own record. */
  async rewrite (subject: string | null): Promise<void> {
    await this.#ledger.rewrite(subject)
  }

  async #run (): Promise<TaskOutcome> {
    const { shadowRegistry, isFailedOver, onLooked } = this.#options
    if (isFailedOver() && this.#ledger.registry.contexts.length === 0) {
      if (this.#ledger.registry.openedAt === null) await this.#ledger.opened(this.#options.wallClock().toISOString())
      return { reason: 'the link is failed over, and had not touched the shadow registry', problems: [], ended: true }
    }
    if (shadowRegistry === null) throw new ShadowError('SETTING_NEEDED', 'the file of kshadow run does not say where schemas are copied to: shadow_cluster.schema_registry', { details: { setting: 'shadow_cluster.schema_registry' } })
    if (isFailedOver()) return await this.#sync.open()
    const before = this.#sync.lastLookStartMs
    try {
      const outcome = await this.#sync.run()
      if (this.#sync.lastLookStartMs !== before) onLooked()
      return outcome
    } catch (error) {
      // What a failover ended has not failed.
      if (isFailedOver() && !this.#options.signal.aborted) return { reason: `the link is failed over: ${messageOf(error)}`, problems: [], again: true }
      throw error
    }
  }
}
