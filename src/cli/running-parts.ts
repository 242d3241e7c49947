/**
 * What `kshadow run` runs, put together: the shadow cluster and the state of the links, and on top of these the admin port,
 * the engine and the sidecar.
 *
 *   starting ──▶ running ──▶ draining ──▶ ended
 *      └─ one part fails ──▶ draining ──▶ ended, with its error
 */
import { AdminServer } from '../admin/admin-server.ts'
import type { AdminParts } from '../admin/admin-parts.ts'
import { Cluster } from '../client/cluster.ts'
import type { RunConfig } from '../config/run-config.ts'
import { messageOf } from '../errors.ts'
import { aborted } from '../net/abort.ts'
import { formatHostPort, type HostPort } from '../net/host-port.ts'
import { logCrc32cImplementation, type Logger } from '../observability/logger.ts'
import { Sidecar } from '../proxy/sidecar.ts'
import { Engine } from '../replication/engine.ts'
import { StateFollower } from '../state/state-follower.ts'
import { packageVersion } from './version.ts'

export interface RunOptions {
  readonly logger: Logger
  /** Its abort is the request to end. */
  readonly signal: AbortSignal
  /** Called when every part listens. */
  readonly onRunning?: (parts: RunningParts) => void
  /** Called when parts have not ended in time: what is left of them keeps the process alive. */
  readonly onOverdue: () => void
}

/** For all that is not the sidecar's own drain. */
const STOP_MARGIN_MS = 10_000

/**
 * Runs all parts until `signal` is aborted, and ends them in good order.
 * @throws the reason of the signal, or what kept a part from starting
 */
export async function runUntilEnded (config: RunConfig, { logger, signal, onRunning, onOverdue }: RunOptions): Promise<never> {
  logger.info({ version: packageVersion(), node: process.version, shadowCluster: config.shadowCluster.bootstrapServers.map(formatHostPort) }, 'kshadow is starting')
  logCrc32cImplementation(logger)
  const parts = new RunningParts(config, logger)
  try {
    await parts.start(signal)
    onRunning?.(parts)
    logger.info({ sidecar: textOf(parts.bootstrap), admin: textOf(parts.adminAddress) }, runningText(parts))
    await aborted(signal)
    logger.info(`${messageOf(signal.reason)}: ending in good order; a second signal ends it at once`)
  } finally {
    const deadline = setTimeout(() => {
      logger.error('not all parts have ended in time; giving up on them')
      onOverdue()
    }, config.sidecar.drainTimeoutMs + STOP_MARGIN_MS)
    await parts.stop()
    clearTimeout(deadline)
    logger.info('kshadow has ended')
  }
  throw signal.reason
}

export class RunningParts implements AdminParts {
  readonly state: StateFollower
  readonly #config: RunConfig
  readonly #logger: Logger
  readonly #cluster: Cluster
  #admin: AdminServer | null = null
  #engine: Engine | null = null
  #sidecar: Sidecar | null = null
  #draining = false

  constructor (config: RunConfig, logger: Logger) {
    this.#config = config
    this.#logger = logger
    const { bootstrapServers, connectionTimeoutMs } = config.shadowCluster
    this.#cluster = new Cluster({
      bootstrapServers,
      connectionTimeoutMs,
      clientId: 'kshadow',
      logger: logger.child({ part: 'cluster' }),
      isUnreal: nodeId => this.state.state?.shadowLeaders.has(nodeId) === true
    })
    this.state = StateFollower.start(this.#cluster, { logger: logger.child({ part: 'state' }), holdsClaims: config.engine.enabled })
  }

  get links (): Engine | null {
    return this.#engine
  }

  get engineProblem (): string | null {
    return this.#engine?.problem ?? null
  }

  get clusterId (): string | null {
    return this.#cluster.lastView?.clusterId ?? null
  }

  get sidecar (): Sidecar | null {
    return this.#sidecar
  }

  get draining (): boolean {
    return this.#draining
  }

  get adminAddress (): HostPort | null {
    return this.#admin?.address ?? null
  }

  /** Where clients start. */
  get bootstrap (): HostPort | null {
    return this.#sidecar?.bootstrap ?? null
  }

  /** The admin port comes first: it shows how the others come up. */
  async start (signal: AbortSignal): Promise<void> {
    const { engine, secrets, sidecar, admin, shadowCluster } = this.#config
    let config = this.#config
    if (admin.enabled) {
      this.#admin = await AdminServer.start({ config, parts: this, logger: this.#logger.child({ part: 'admin' }) })
      // Others are told the port that the system chose.
      if (admin.advertised.port === 0) config = { ...config, admin: { ...admin, advertised: { ...admin.advertised, port: this.#admin.address.port } } }
    }
    signal.throwIfAborted()
    if (engine.enabled) this.#engine = Engine.start({ config, shadowRegistry: shadowCluster.schemaRegistry, secretKeyFile: secrets.keyFile, cluster: this.#cluster, state: this.state, logger: this.#logger.child({ part: 'engine' }) })
    if (sidecar.enabled) {
      this.#sidecar = await Sidecar.start({
        config: sidecar,
        cluster: this.#cluster,
        connectionTimeoutMs: shadowCluster.connectionTimeoutMs,
        state: this.state,
        logger: this.#logger.child({ part: 'sidecar' })
      })
    }
  }

  /** Ends all parts: those that do the work first, then what they stand on. */
  async stop (): Promise<void> {
    this.#draining = true
    await Promise.all([this.#ended('the sidecar', this.#sidecar?.stop()), this.#ended('the engine', this.#engine?.stop())])
    await this.#ended('the state of the links', this.state.stop())
    await this.#ended('the admin port', this.#admin?.stop())
    await this.#ended('the shadow cluster', this.#cluster.close())
  }

  /** A part that cannot end must not keep the others from it. */
  async #ended (what: string, stopping: Promise<void> | undefined): Promise<void> {
    try {
      await stopping
    } catch (error) {
      this.#logger.error({ err: error }, `${what} did not end as it should: ${messageOf(error)}`)
    }
  }
}

function runningText ({ bootstrap, adminAddress }: RunningParts): string {
  return [
    'kshadow is running',
    bootstrap === null ? 'no sidecar' : `clients connect to ${formatHostPort(bootstrap)}`,
    adminAddress === null ? 'no admin port' : `kshadow commands to --admin ${formatHostPort(adminAddress)}`
  ].join('; ')
}

function textOf (address: HostPort | null): string | null {
  return address === null ? null : formatHostPort(address)
}
