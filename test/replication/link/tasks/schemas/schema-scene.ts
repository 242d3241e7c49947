/** Two schema registries in this process, and what copies from one to the other; time passes when the test says so. */
import type { Test } from 'tap'
import type { RegistryEndpoint } from '../../../../../src/config/link/registry-endpoint.ts'
import { parseLinkDocument } from '../../../../../src/config/link-config.ts'
import type { SchemaApiOptions } from '../../../../../src/config/link/schema-sync-options.ts'
import { sleep } from '../../../../../src/net/sleep.ts'
import { silentLogger } from '../../../../../src/observability/logger.ts'
import type { SchemaRegistryStatus } from '../../../../../src/replication/link-service.ts'
import { RegistryApi } from '../../../../../src/replication/link/tasks/schemas/registry-api.ts'
import { RegistryHttp } from '../../../../../src/replication/link/tasks/schemas/registry-http.ts'
import { SchemaLedger } from '../../../../../src/replication/link/tasks/schemas/schema-ledger.ts'
import { SchemaSync } from '../../../../../src/replication/link/tasks/schemas/schema-sync.ts'
import { SubjectCopy } from '../../../../../src/replication/link/tasks/schemas/subject-copy.ts'
import { SubjectMap } from '../../../../../src/replication/link/tasks/schemas/subject-name.ts'
import type { TaskOutcome } from '../../../../../src/replication/link/tasks/task-loop.ts'
import { LinkState } from '../../../../../src/state/link-state.ts'
import { encodeValue, keyOf, type StateChange } from '../../../../../src/state/records.ts'
import { SchemaRegistry } from '../../../../support/schema-registry.ts'

export const FULL_MS = 300_000

/** The section's `shadow_schema_registry_api`, as a link has it. */
export function apiOptions (section: Readonly<Record<string, unknown>>): SchemaApiOptions {
  const { schemaSync } = parseLinkDocument({
    name: 'dr', client_options: { bootstrap_servers: ['localhost:1'] }, schema_registry_sync_options: { shadow_schema_registry_api: section }
  }, 'test')
  if (schemaSync?.mode !== 'api') throw new Error('not in API mode')
  return schemaSync.api
}

export class SchemaScene {
  readonly source: SchemaRegistry
  readonly shadow: SchemaRegistry
  /** What the state topic says. */
  readonly state = new LinkState()
  isOver = false
  nowMs = 0
  #sync: SchemaSync
  readonly #section: Record<string, unknown>
  readonly #https: RegistryHttp[] = []

  private constructor (source: SchemaRegistry, shadow: SchemaRegistry, section: Record<string, unknown>) {
    this.source = source
    this.shadow = shadow
    this.#section = section
    this.#sync = this.#make()
  }

  static async start (t: Test, section: Readonly<Record<string, unknown>> = {}): Promise<SchemaScene> {
    const [source, shadow] = await Promise.all([SchemaRegistry.start(), SchemaRegistry.start()])
    const scene = new SchemaScene(source, shadow, section)
    t.teardown(async () => {
      for (const http of scene.#https) http.close()
      await Promise.all([source.stop(), shadow.stop()])
    })
    return scene
  }

  /** As another engine that takes over: it knows what the state topic says. */
  takeOver (): void {
    this.#sync = this.#make()
  }

  async run (): Promise<TaskOutcome> {
    return await this.#sync.run()
  }

  /** A run after so long that everything is looked at. */
  async runFull (): Promise<TaskOutcome> {
    this.nowMs += FULL_MS
    return await this.run()
  }

  async open (): Promise<TaskOutcome> {
    this.isOver = true
    return await this.#sync.open()
  }

  get status (): SchemaRegistryStatus {
    return this.#sync.status(this.source.url, this.shadow.url)
  }

  get lastLookStartMs (): number {
    return this.#sync.lastLookStartMs
  }

  #make (): SchemaSync {
    const options = apiOptions({ source_url: this.source.url, ...this.#section })
    const { signal } = new AbortController()
    const clock = { now: () => performance.now(), sleep: (_ms: number, until: AbortSignal) => sleep(0, until) }
    const http = (endpoint: RegistryEndpoint, side: 'source' | 'shadow'): RegistryApi => {
      const made = new RegistryHttp(endpoint, { side, rate: null, clock, timeoutMs: 2000 })
      this.#https.push(made)
      return new RegistryApi(made)
    }
    const ledger = new SchemaLedger({
      link: 'dr',
      registry: this.state.schemaRegistries.get('dr') ?? null,
      subjects: this.state.schemaSubjectsOf('dr'),
      write: changes => {
        this.#record(changes)
        return Promise.resolve()
      }
    })
    const map = new SubjectMap(options)
    const common = { source: http(options.source, 'source'), shadow: http({ url: this.shadow.url, auth: null, tls: null }, 'shadow'), map, ledger, sourceSignal: signal, signal }
    const copy = new SubjectCopy({ ...common, unsupportedFeatures: options.unsupportedFeatures, mayWrite: () => !this.isOver })
    return new SchemaSync({ ...common, copy, options, isOver: () => this.isOver, logger: silentLogger, now: () => this.nowMs, wallClock: () => new Date(0) })
  }

  #record (changes: readonly StateChange[]): void {
    for (const change of changes) this.state.apply(this.state.revision, keyOf(change), encodeValue(change, 1))
  }
}
