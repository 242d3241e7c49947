/** The proxy in front of the shadow cluster: what clients see of the cluster while its topics are read-only, and after. */
import type { Socket } from 'node:net'
import type { SidecarConfig } from '../config/run-config.ts'
import { nodeIdIndex } from '../config/node-ids.ts'
import { messageOf, ShadowError } from '../errors.ts'
import { dialTcp, type Dial } from '../net/dial.ts'
import type { HostPort } from '../net/host-port.ts'
import { sleep } from '../net/sleep.ts'
import type { Logger } from '../observability/logger.ts'
import type { LinkStateView } from '../state/state-follower.ts'
import { Counters } from './counters.ts'
import { HoldBudget, type HoldLimits } from './hold-budget.ts'
import { listen, type Listeners, type OnClient } from './listeners.ts'
import { LogLimit } from './log-limit.ts'
import { NodePorts } from './node-ports.ts'
import { ReadRules } from './read-rules.ts'
import { Session } from './session.ts'
import type { DegradedReason, SidecarStatus } from './sidecar-status.ts'
import { Upstreams, type BrokerDirectory } from './upstreams.ts'
import { WriteRules } from './write-rules.ts'

/** How often it is looked whether brokers came, went or cannot be reached. */
const LOOK_INTERVAL_MS = 5000

const LOG_INTERVAL_MS = 10_000

/** How long a connection that has ended may take to get rid of what was written to it. */
const CLOSE_LIMIT_MS = 5000

export interface SidecarOptions {
  readonly config: SidecarConfig
  /** The shadow cluster; it stays the caller's. */
  readonly cluster: BrokerDirectory
  /** How long a connection to a broker may take. */
  readonly connectionTimeoutMs: number
  readonly state: LinkStateView
  readonly logger: Logger
  readonly dial?: Dial
  readonly now?: () => number
  readonly holdLimits?: Partial<HoldLimits>
}

export class Sidecar {
  readonly bootstrap: HostPort
  readonly #options: SidecarOptions
  readonly #listeners: Listeners
  readonly #ports: NodePorts
  readonly #rules: WriteRules
  readonly #reads: ReadRules
  readonly #upstreams: Upstreams
  readonly #counters = new Counters()
  readonly #logLimit: LogLimit
  readonly #budget: HoldBudget
  readonly #sessions = new Set<Session>()
  readonly #hidden = new Set<number>()
  readonly #abort = new AbortController()
  #isDraining = false
  #hasUpstream: boolean | null = null
  #looking: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | null = null
  #onEmpty: () => void = () => {}

  private constructor (options: SidecarOptions, listeners: Listeners) {
    const { config } = options
    this.#options = options
    this.#listeners = listeners
    this.bootstrap = { host: config.advertisedHost, port: listeners.bootstrapPort }
    this.#rules = new WriteRules(options.state, { staleAfterMs: config.staleAfterMs })
    this.#reads = new ReadRules(this.#rules)
    const isShadowLeader = (nodeId: number): boolean => this.#reads.isShadowLeader(nodeId)
    this.#ports = new NodePorts(config.advertisedHost, listeners.ports, { isShadowLeader, onHidden: nodeId => { this.#hide(nodeId) } })
    const now = options.now ?? (() => performance.now())
    this.#logLimit = new LogLimit(LOG_INTERVAL_MS, now)
    this.#budget = new HoldBudget(now, options.holdLimits)
    this.#upstreams = new Upstreams({
      cluster: options.cluster,
      dial: options.dial ?? dialTcp,
      connectionTimeoutMs: options.connectionTimeoutMs,
      isOffered: nodeId => nodeIdIndex(config.nodeIds, nodeId) !== null,
      isShadowLeader
    })
  }

  /**
   * Binds all ports and starts. It does not wait for the cluster: clients are told to come back while there is none.
   * @throws {ShadowError} CONFIG_INVALID, CONFLICT: see `listen`
   */
  static async start (options: SidecarOptions): Promise<Sidecar> {
    let accept: OnClient = client => { client.destroy() }
    // A port that is bound may have a client before all are: that one comes back.
    const listeners = await listen(options.config, (client, nodeId) => { accept(client, nodeId) })
    const sidecar = new Sidecar(options, listeners)
    accept = (client, nodeId) => { sidecar.#accept(client, nodeId) }
    sidecar.#looking = sidecar.#look()
    return sidecar
  }

  status (): SidecarStatus {
    const { state } = this.#rules
    const reasons = this.#reasons()
    const ageMs = this.#options.state.ageMs()
    return {
      state: this.#isDraining ? 'draining' : this.#hasUpstream === null ? 'starting' : reasons.length > 0 ? 'degraded' : 'ready',
      reasons,
      revision: state?.revision ?? null,
      stateAgeMs: Number.isFinite(ageMs) ? Math.max(0, ageMs) : null,
      connections: this.#sessions.size,
      counters: this.#counters.snapshot(),
      hiddenNodeIds: [...this.#hidden].sort((a, b) => a - b),
      bootstrap: this.bootstrap,
      ports: [...this.#listeners.ports].map(([nodeId, port]) => ({ nodeId, port }))
    }
  }

  /** Bytes of requests and answers that are held at the moment, beside what the sockets hold. */
  get heldBytes (): number {
    let sum = 0
    for (const session of this.#sessions) sum += session.heldBytes
    return sum
  }

  /** Accepts no more clients, answers what was asked, and closes each connection that is owed nothing; after drainTimeoutMs, all. */
  stop (): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop (): Promise<void> {
    this.#isDraining = true
    const closed = this.#listeners.close()
    for (const session of this.#sessions) session.drain()
    await this.#emptied(this.#options.config.drainTimeoutMs)
    this.#abort.abort()
    for (const session of this.#sessions) session.destroy('drain_timeout')
    this.#budget.stop()
    await this.#looking
    await closed
  }

  /** Resolves when no connection is left, or after `timeoutMs`. */
  #emptied (timeoutMs: number): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve()
    return new Promise<void>(resolve => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#onEmpty = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #reasons (): DegradedReason[] {
    const reasons: DegradedReason[] = []
    if (this.#hasUpstream === false) reasons.push('no_upstream')
    const { knowledge } = this.#rules
    if (knowledge === 'unknown') reasons.push('link_state_unknown')
    if (knowledge === 'stale') reasons.push('link_state_stale')
    if (this.#hidden.size > 0) reasons.push('node_ids_out_of_range')
    return reasons
  }

  #accept (client: Socket, nodeId: number | null): void {
    const { config, logger } = this.#options
    this.#counters.connectionsOpened++
    const session = new Session(client, {
      rules: this.#rules,
      reads: this.#reads,
      ports: this.#ports,
      counters: this.#counters,
      logger,
      logLimit: this.#logLimit,
      budget: this.#budget,
      maxFrameBytes: config.maxFrameBytes,
      closeLimitMs: CLOSE_LIMIT_MS,
      onClosed: () => {
        this.#sessions.delete(session)
        if (this.#sessions.size === 0) this.#onEmpty()
      }
    })
    this.#sessions.add(session)
    if (this.#isDraining) session.drain()
    else this.#connect(session, nodeId)
  }

  #connect (session: Session, nodeId: number | null): void {
    const { signal } = this.#abort
    const upstream = nodeId === null ? this.#upstreams.toAny(signal) : this.#upstreams.toNode(nodeId, signal)
    upstream.then(socket => { session.start(socket) }, (error: unknown) => {
      const isUnknown = error instanceof ShadowError && error.code === 'NOT_FOUND'
      this.#logLimit.run(`connect ${nodeId ?? 'any'}`, skipped => this.#options.logger.warn({ err: error, skipped, nodeId }, 'a client was turned away: there is no connection to its broker'))
      session.fail(isUnknown ? 'upstream_unknown' : 'upstream_unreachable')
    })
  }

  #hide (nodeId: number): void {
    // Before the state is known, it may be a shadow leader, which has no business here.
    if (this.#hidden.has(nodeId) || this.#rules.knowledge === 'unknown') return
    this.#hidden.add(nodeId)
    this.#options.logger.error({ nodeId }, `broker ${nodeId} of the shadow cluster is outside the configured node_ids: clients are not told of it and cannot reach what it leads`)
  }

  /** Looks at the cluster until the end. */
  async #look (): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      await this.#lookOnce(signal)
      await sleep(LOOK_INTERVAL_MS, signal).catch(() => {})
    }
  }

  async #lookOnce (signal: AbortSignal): Promise<void> {
    try {
      const { brokers } = await this.#options.cluster.refreshBrokers({ signal })
      this.#hasUpstream = true
      for (const nodeId of brokers.keys()) this.#ports.addressOf(nodeId)
      for (const nodeId of this.#hidden) if (!brokers.has(nodeId) || this.#reads.isShadowLeader(nodeId)) this.#hidden.delete(nodeId)
    } catch (error) {
      if (signal.aborted) return
      this.#hasUpstream = false
      this.#logLimit.run('look', skipped => this.#options.logger.warn({ err: error, skipped }, `the shadow cluster cannot be reached: ${messageOf(error)}`))
    }
  }
}
