/**
 * The task `Security Migrator Task`: ACLs, client quotas and SCRAM users. Each is looked after by itself, so that a source which hides one of
 * them keeps nobody from the others. Nothing is changed once the link is failed over: the shadow's security is the shadow's then.
 */
import type { Cluster, ClusterView } from '../../../../client/cluster.ts'
import type { SecuritySyncOptions } from '../../../../config/link/security-sync-options.ts'
import { isRetriable, messageOf } from '../../../../errors.ts'
import { throwIfAborted } from '../../../../net/abort.ts'
import type { Logger } from '../../../../observability/logger.ts'
import type { SecurityRecord, StateChange } from '../../../../state/records.ts'
import { STATE_TOPIC } from '../../../../state/state-topic.ts'
import type { MirrorCounts, SecurityStatus } from '../../../link-service.ts'
import type { TaskOptions, TaskOutcome, TaskWork } from '../task-loop.ts'
import { aclMirror } from './acl-mirror.ts'
import { Mirror, type MirrorItem } from './mirror.ts'
import { quotaMirror } from './quota-mirror.ts'
import type { SecurityHost } from './security-host.ts'
import { SecurityLedger } from './security-ledger.ts'
import { SourceCopies } from './source-copies.ts'
import { userMirror } from './user-mirror.ts'

/** How many problems the status shows. */
const MOST_SHOWN = 20

export interface SecuritySyncHost {
  readonly link: string
  readonly source: Cluster
  readonly shadow: Cluster
  /** See SourceCopies. */
  readonly connectSource: () => Cluster
  readonly options: () => SecuritySyncOptions
  /** What the state topic says that the link has added. */
  readonly records: readonly SecurityRecord[]
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
  /** False from the moment on that another engine may lead. */
  readonly isLeading: () => boolean
  /** True once a failover of the whole link was asked for, or its promotion has ended. */
  readonly isFailedOver: () => boolean
  /** True when another link has added the same thing to the shadow cluster. */
  readonly isShared: (id: string) => boolean
  /** Throws when the source is not the cluster that the link was made for. */
  readonly checkSource: (view: ClusterView) => void
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
  /** Where `${env:NAME}` of the users file is looked up. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** A mirror of whatever kind of thing. */
type AnyMirror = Pick<Mirror<MirrorItem>, 'name' | 'run' | 'removeAdded'>

type PartName = 'acls' | 'quotas' | 'users'

interface Part {
  readonly key: PartName
  readonly mirror: AnyMirror
  readonly isWanted: (options: SecuritySyncOptions) => boolean
}

export class SecuritySync implements TaskWork {
  readonly name = 'Security Migrator Task'
  readonly #host: SecuritySyncHost
  readonly #ledger: SecurityLedger
  readonly #copies: SourceCopies
  readonly #parts: readonly Part[]
  readonly #counts: Record<PartName, MirrorCounts | null> = { acls: null, quotas: null, users: null }
  #problems: readonly string[] = []
  #syncedAt: string | null = null
  #running: Promise<unknown> = Promise.resolve()

  constructor (host: SecuritySyncHost) {
    this.#host = host
    const { source, shadow, options, signal, logger, isShared } = host
    this.#ledger = new SecurityLedger(host)
    this.#copies = new SourceCopies({ source, shadow, connect: host.connectSource, signal, logger })
    const kinds: SecurityHost = { source, shadow, ledger: this.#ledger, options, signal, isShared, copiesOfOurs: () => this.#copies.ids() }
    const mirrors = { ledger: this.#ledger, isLeading: host.isLeading, isFailedOver: host.isFailedOver, massDelayMs: () => options().massDeletionDelayMs, now: host.now }
    this.#parts = [
      { key: 'acls', mirror: new Mirror(aclMirror(kinds), mirrors), isWanted: ({ syncAcls }) => syncAcls },
      { key: 'quotas', mirror: new Mirror(quotaMirror(kinds), mirrors), isWanted: ({ syncQuotas }) => syncQuotas },
      { key: 'users', mirror: new Mirror(userMirror(kinds, host.environment ?? process.env), mirrors), isWanted: ({ usersFile }) => usersFile !== null }
    ]
  }

  options (): TaskOptions {
    const { intervalMs, paused } = this.#host.options()
    return { intervalMs, paused: paused || this.#host.isFailedOver() }
  }

  get status (): SecurityStatus {
    return { ...this.#counts, problems: this.#problems.slice(0, MOST_SHOWN), problemCount: this.#problems.length, syncedAt: this.#syncedAt }
  }

  /** True when the link has added the thing of this id. */
  has (id: string): boolean {
    return this.#ledger.has(id)
  }

  rewrite (id: string): Promise<void> {
    return this.#ledger.rewrite(id)
  }

  run (): Promise<TaskOutcome> {
    const run = this.#run()
    this.#running = run.catch(() => {})
    return run
  }

  whilePaused (): Promise<TaskOutcome> {
    const why = this.#host.isFailedOver() ? 'the link is failed over' : 'paused by the link\'s configuration'
    return Promise.resolve({ reason: `${why}: ACLs, quotas and users stay as they are`, problems: [] })
  }

  /**
   * Lets go of all that the link has added, which has been failed over: it stays on the shadow cluster, as its own, unless the configuration
   * says `on_link_deletion: delete`.
   * @throws when something could not be removed; then the link has it still
   */
  async release (): Promise<void> {
    await this.#running
    if (this.#host.options().onLinkDeletion === 'delete') for (const { mirror } of this.#parts) await mirror.removeAdded()
    await this.#ledger.strikeAll()
  }

  async stopped (): Promise<void> {
    await this.#running
    await this.#copies.stop()
  }

  async #run (): Promise<TaskOutcome> {
    const { source, shadow, signal, checkSource, wallClock } = this.#host
    const options = this.#host.options()
    const parts = this.#parts.filter(part => {
      if (part.isWanted(options)) return true
      this.#counts[part.key] = null
      return false
    })
    if (parts.length === 0) {
      this.#problems = []
      return { reason: 'no ACLs, quotas or users are shadowed: the link has no security_sync_options, or they leave all of them out', problems: [] }
    }
    checkSource(await source.refreshTopics([STATE_TOPIC], { signal }))
    await shadow.refreshBrokers({ signal })
    const problems: string[] = []
    let unavailable: unknown = null
    for (const { key, mirror } of parts) {
      try {
        const { counts, problems: found } = await mirror.run()
        this.#counts[key] = counts
        problems.push(...found)
      } catch (error) {
        throwIfAborted(signal)
        // What was known of it before is not known any more.
        this.#counts[key] = null
        if (isRetriable(error)) unavailable ??= error
        problems.push(`${mirror.name}: ${messageOf(error)}`)
      }
    }
    this.#problems = problems
    this.#syncedAt = wallClock().toISOString()
    if (unavailable !== null) throw unavailable instanceof Error ? unavailable : new TypeError(messageOf(unavailable))
    return { reason: parts.map(({ key, mirror }) => `${mirror.name}: ${inWords(this.#counts[key])}`).join('; '), problems }
  }
}

function inWords (counts: MirrorCounts | null): string {
  if (counts === null) return 'not known'
  const { wanted, kept, local, vanished, created, changed, deleted } = counts
  const parts = [
    `${kept} of ${wanted} kept by the link`,
    ...(local === 0 ? [] : [`${local} are the shadow's own`]),
    ...(vanished === 0 ? [] : [`${vanished} gone on the source and not removed yet`]),
    ...(created === 0 ? [] : [`${created} added`]),
    ...(changed === 0 ? [] : [`${changed} set again`]),
    ...(deleted === 0 ? [] : [`${deleted} removed`])
  ]
  return parts.join(', ')
}
