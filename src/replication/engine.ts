/**
 * The engine: takes part in the election of the one that leads, and runs all links while it does.
 *
 *   standby ──▶ elected ──▶ (record of its epoch is read back) ──▶ leading ──▶ standby …
 *      ▲                                                              │
 *      └───────── the lease ended: everything of every link stops ◀───┘
 */
import { randomUUID } from 'node:crypto'
import { runElection, type Lease } from '../client/group/election.ts'
import { type Cluster } from '../client/cluster.ts'
import type { Dial } from '../net/dial.ts'
import { aborted, abortedWithin, isAborted, onAbort, throwIfAborted } from '../net/abort.ts'
import { sleep } from '../net/sleep.ts'
import type { RegistryEndpoint } from '../config/link/registry-endpoint.ts'
import { parseLinkDocument, type LinkConfig } from '../config/link-config.ts'
import type { RunConfig } from '../config/run-config.ts'
import { LinkSecrets } from '../config/secrets/link-secrets.ts'
import { formatHostPort } from '../net/host-port.ts'
import { messageOf, ShadowError } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { AuditRecord, Operator } from '../state/audit-record.ts'
import type { LinkRecord } from '../state/records.ts'
import type { StateFollower } from '../state/state-follower.ts'
import { isTakenOut } from '../state/topic-state.ts'
import { ensureStateTopic, STATE_TOPIC } from '../state/state-topic.ts'
import type { ShadowLeader } from './append/replica/shadow-leader.ts'
import type { AuditOrder } from './audit-log.ts'
import { ConfiguredLinks } from './configured-links.ts'
import { encodeCard } from './engine-card.ts'
import { rewriteFenced } from './fenced-records.ts'
import { LinkFactory } from './link-factory.ts'
import type { LinkService, LinkStatus, LinkUpdate, PauseSelection, PreflightLine, Restoration, RestorePlan, TopicSelection, VerifyTopicReport } from './link-service.ts'
import { checkMovedSource, planUpdate } from './link/link-update.ts'
import { releaseLink } from './link/release-link.ts'
import type { ShadowLink } from './link/shadow-link.ts'
import { makeReign, type Link, type Reign } from './reign.ts'
import { lookAtSecrets, renewSecrets } from './renew-secrets.ts'
import { isTask, selectionText } from './selection-text.ts'
import { ShadowLeadership } from './shadow-leadership.ts'
import { takeOver } from './take-over.ts'
import { verifyLink } from './verify/verify-link.ts'

export const ENGINE_GROUP = '__kshadow_engine'

const UPDATE_CHECK_MS = 10_000

export interface EngineOptions {
  readonly config: Pick<RunConfig, 'engine' | 'shadowLeader' | 'links' | 'admin'> & { readonly sidecar: Pick<RunConfig['sidecar'], 'enabled' | 'nodeIds'> }
  /** Where links that copy schemas by API copy them to; null where there is none. */
  readonly shadowRegistry?: RegistryEndpoint | null
  /** The path of the key file that secrets of links are sealed with; null where there is none. */
  readonly secretKeyFile?: string | null
  /** To the shadow cluster; stays the caller's. */
  readonly cluster: Cluster
  readonly state: StateFollower
  readonly logger: Logger
  readonly dial?: Dial
  readonly now?: () => number
  readonly wallClock?: () => Date
}

export class Engine implements LinkService {
  readonly #options: EngineOptions
  readonly #secrets: LinkSecrets
  readonly #instance = randomUUID()
  readonly #abort = new AbortController()
  readonly #now: () => number
  readonly #wallClock: () => Date
  #reign: Reign | null = null
  #problem: string | null = null
  /** Why this engine cannot stand for election. */
  #electionProblem: string | null = null
  /** When it was elected; null where it was not, or leads. */
  #electedAtMs: number | null = null
  /** Null while this engine does not lead. */
  #configured: ConfiguredLinks | null = null
  #finished: Promise<void> = Promise.resolve()
  /** Creations and deletions one after the other. */
  #changing: Promise<unknown> = Promise.resolve()
  /** Null where this engine has no address to be a broker at. */
  readonly #leadership: ShadowLeadership | null
  readonly #factory: LinkFactory

  private constructor (options: EngineOptions) {
    this.#options = options
    this.#secrets = new LinkSecrets(options.secretKeyFile ?? null)
    this.#now = options.now ?? (() => performance.now())
    this.#wallClock = options.wallClock ?? (() => new Date())
    const { config, config: { shadowLeader }, shadowRegistry = null, cluster, state, dial, logger } = options
    this.#leadership = shadowLeader === null ? null : new ShadowLeadership({ config: shadowLeader, instance: this.#instance, cluster, state, dial, logger, now: this.#now, wallClock: this.#wallClock })
    this.#factory = new LinkFactory({
      config,
      shadowRegistry,
      secrets: this.#secrets,
      cluster,
      state,
      logger,
      dial,
      now: this.#now,
      wallClock: this.#wallClock,
      shadowLeader: reign => this.#shadowLeader(reign),
      onOpened: reign => { this.#leadership?.tend(reign) }
    })
  }

  static start (options: EngineOptions): Engine {
    const engine = new Engine(options)
    engine.#finished = engine.#run()
    return engine
  }

  /** Ends everything: appends under way are waited for, and leadership is given back. */
  async stop (): Promise<void> {
    await Promise.all([...this.#reign?.links.values() ?? []].map(({ link }) => link.quiesce()))
    this.#leadership?.quiesce()
    this.#abort.abort()
    await this.#finished
    await this.#leadership?.stopped()
  }

  /** Why this engine cannot take part at the moment; null when it can. */
  get problem (): string | null {
    return this.#problem ?? this.#electionProblem ?? this.#takeOverProblem ?? this.#configured?.problem ?? null
  }

  /** Whoever was elected and cannot write that it leads keeps everybody else from it. */
  get #takeOverProblem (): string | null {
    if (this.#electedAtMs === null) return null
    const elapsedMs = this.#now() - this.#electedAtMs
    return elapsedMs < this.#options.config.engine.sessionTimeoutMs ? null : `this engine was elected ${Math.round(elapsedMs / 1000)} s ago, and could not write so to ${STATE_TOPIC} yet`
  }

  async #run (): Promise<void> {
    const { signal } = this.#abort
    const { cluster, state, logger, config } = this.#options
    while (!signal.aborted) {
      try {
        await ensureStateTopic(cluster, signal)
        this.#problem = null
        // It says which nodes are shadow leaders: the election would ask one for the coordinator, and wait long where that one hangs.
        const { links } = await state.reached(0, signal)
        lookAtSecrets(this.#secrets, [...links.values()], logger).catch(() => {})
        await runElection(cluster, {
          groupId: ENGINE_GROUP,
          sessionTimeoutMs: config.engine.sessionTimeoutMs,
          metadata: encodeCard(this.#instance, config.shadowLeader === null ? null : formatHostPort(config.shadowLeader.advertised)),
          onMembers: cards => this.#leadership?.noteMembers(cards),
          lead: lease => this.#lead(lease),
          onProblem: problem => { this.#electionProblem = problem === null ? null : `this engine cannot stand for election: ${problem}` }
        }, { signal, logger, now: this.#now })
      } catch (error) {
        if (isAborted(signal)) return
        this.#problem = messageOf(error)
        logger.warn({ err: error }, `the engine cannot start yet: ${messageOf(error)}`)
        await sleep(1000, signal).catch(() => {})
      }
    }
  }

  async #lead (lease: Lease): Promise<void> {
    const { cluster, state, logger, config: { admin } } = this.#options
    const resignation = new AbortController()
    const signal = AbortSignal.any([lease.signal, this.#abort.signal, resignation.signal])
    const resign = (reason: string): void => {
      logger.warn(`this engine gives the links up: ${reason}`)
      resignation.abort(new ShadowError('ABORTED', reason))
    }
    this.#electedAtMs = this.#now()
    const self = { instance: this.#instance, adminAddress: admin.enabled ? formatHostPort(admin.advertised) : null, wallClock: this.#wallClock }
    const { epoch, writer } = await takeOver(self, { cluster, state, logger, signal, resign }).finally(() => { this.#electedAtMs = null })
    logger.info({ epoch }, 'this engine leads the links now')
    const reign = makeReign({ lease, writer, signal, resign }, { cluster, state, logger, now: this.#now, wallClock: this.#wallClock })
    try {
      await this.#begin(reign)
      await aborted(signal)
    } finally {
      // Whatever has begun ends, also where something could not begin.
      resignation.abort()
      this.#reign = null
      await Promise.all([...reign.links.values()].map(({ link }) => link.stopped()))
      await this.#leadership?.end(reign)
      logger.info({ epoch }, 'this engine no longer leads the links')
    }
  }

  /** Starts everything; it ends with the reign's signal. */
  async #begin (reign: Reign): Promise<void> {
    const { state, cluster, logger } = this.#options
    const { signal, writer } = reign
    throwIfAborted(signal)
    const forgetLoss = state.onLoss(loss => {
      // A topic that comes into being again is noticed, too.
      if (loss === null) ensureStateTopic(cluster, signal).catch(() => {})
      else reign.resign(`topic ${STATE_TOPIC} has lost records (${loss.reason}): they are written again before an engine leads`)
    })
    onAbort(signal, forgetLoss)
    // Taken over before it was seen: nothing is started from what is left.
    if (state.loss !== null) throw new ShadowError('CLUSTER_UNAVAILABLE', `topic ${STATE_TOPIC} has lost records: ${state.loss.reason}`, { retriable: true })
    await this.#leadership?.begin(reign)
    const records = [...state.state?.links.values() ?? []].map(record => renewSecrets(record, { secrets: this.#secrets, write: changes => writer.write(changes), signal, logger }))
    const renewed = await Promise.all(records)
    throwIfAborted(signal)
    for (const record of renewed) this.#startLink(reign, record)
    this.#reign = reign
    onAbort(signal, state.onFenced(key => this.#mend(reign, key)))
    for (const key of state.state?.fenced ?? []) this.#mend(reign, key)
    this.#leadership?.tend(reign)
    await Promise.all([reign.barrier.run(signal), this.#ensureConfigured(reign)])
  }

  #mend (reign: Reign, key: string): void {
    rewriteFenced(key, { reign, state: this.#options.state.state, exclusively: work => this.#change(work) })
      .catch((error: unknown) => this.#options.logger.warn({ key, err: error }, `the state record ${key} of an engine that was replaced could not be overwritten: ${messageOf(error)}`))
  }

  /** Its topics are those that the state has, which must have been read as far as anybody wrote it. */
  #startLink (reign: Reign, record: LinkRecord): ShadowLink {
    const { state } = this.#options
    const abort = new AbortController()
    const name = record.config.name
    const link = this.#factory.make(reign, record, state.state?.topicsOf(name) ?? [], AbortSignal.any([reign.signal, abort.signal]))
    reign.links.set(name, { link, abort, restarting: null })
    link.start()
    this.#leadership?.tend(reign)
    return link
  }

  /** @throws {ShadowError} CONFLICT where this engine has no address to lead at */
  #shadowLeader (reign: Reign): ShadowLeader {
    if (this.#leadership === null) throw new ShadowError('CONFLICT', 'append mode replica needs a shadow_leader section in the file of kshadow run: it says where the shadow brokers fetch from')
    reign.leader = this.#leadership.leaderOf(reign)
    return reign.leader
  }

  async #ensureConfigured ({ links, signal }: Reign): Promise<void> {
    const { config, state, logger } = this.#options
    const configured = new ConfiguredLinks({
      links: config.links,
      recordOf: name => links.get(name)?.link.record ?? null,
      deletionOf: name => state.state?.deletions.get(name) ?? null,
      differences: async (record, given) => planUpdate(record, await this.#secrets.accept({ uid: record.uid, config: given }, record.config)).changed,
      create: given => this.#create(given, false, null),
      logger
    })
    this.#configured = configured
    await configured.run(signal)
    this.#configured = null
  }

  #leading (): Reign {
    if (this.#reign !== null && isLeading(this.#reign)) return this.#reign
    const { adminAddress } = this.leadership()
    throw new ShadowError('NOT_LEADER', adminAddress === null ? 'no engine leads the links at the moment' : `the links are led by the engine at ${adminAddress}`, {
      retriable: true,
      details: { leader: adminAddress }
    })
  }

  leadership (): { readonly leading: boolean, readonly adminAddress: string | null } {
    const leading = this.#reign !== null && isLeading(this.#reign)
    const leader = this.#options.state.state?.engine ?? null
    // A record of our own after the end of our lease says nothing of who leads now.
    return { leading, adminAddress: leader === null || (!leading && leader.instance === this.#instance) ? null : leader.adminAddress }
  }

  #entry (name: string): Link {
    const entry = this.#leading().links.get(name)
    if (entry === undefined) throw new ShadowError('NOT_FOUND', `there is no link ${name}`)
    return entry
  }

  #link (name: string): ShadowLink {
    return this.#entry(name).link
  }

  /** A link to give orders to: not one that is about to be replaced. */
  async #readyLink (name: string): Promise<ShadowLink> {
    for (let { restarting } = this.#entry(name); restarting !== null; { restarting } = this.#entry(name)) await restarting
    return this.#link(name)
  }

  list (): Promise<readonly LinkStatus[]> {
    return settled(() => [...this.#leading().links.values()].map(({ link }) => link.status()).sort((a, b) => a.name < b.name ? -1 : 1))
  }

  status (name: string): Promise<LinkStatus> {
    return settled(() => this.#link(name).status())
  }

  async create (document: unknown, { dryRun, by = null }: { readonly dryRun: boolean, readonly by?: Operator | null }): Promise<LinkStatus> {
    this.#leading()
    return await this.#create(parseLinkDocument(document, 'link'), dryRun, by)
  }

  async #create (given: LinkConfig, dryRun: boolean, by: Operator | null): Promise<LinkStatus> {
    return await this.#change(async () => {
      const reign = this.#leading()
      const { refusal, sourceClusterId, appendMode, appendModeReason, owner } = await this.#factory.preflight(reign, given, 'creation')
      if (refusal !== null) throw refusal
      const { config } = owner
      const record: LinkRecord = { ...owner, appendMode, appendModeReason, sourceClusterId, createdAt: this.#wallClock().toISOString(), failedOverAt: null, promotingAt: null, pausedAt: null, highestProducerId: -1 }
      // The status of one that is not there.
      if (dryRun) return { ...await this.#factory.statusOf(reign, record), uid: '' }
      await reign.audit.during({ action: 'create', link: config.name, topics: null, detail: `append mode ${appendMode}`, by }, () => reign.writer.write([{ kind: 'link', name: config.name, value: record }, { kind: 'deletion', name: config.name, value: null }]))
      this.#options.logger.info({ link: config.name, uid: record.uid }, `link ${config.name} was created`)
      return this.#startLink(reign, record).status()
    })
  }

  async check (document: unknown): Promise<readonly PreflightLine[]> {
    const reign = this.#leading()
    return (await this.#factory.preflight(reign, parseLinkDocument(document, 'link'), 'everything')).lines
  }

  async failover (name: string, topics: TopicSelection, by: Operator | null = null): Promise<LinkStatus> {
    return await this.#order(name, { action: 'failover', topics, by }, ({ orders }) => orders.failover(topics))
  }

  async promote (name: string, topics: TopicSelection, by: Operator | null = null): Promise<LinkStatus> {
    return await this.#order(name, { action: 'promote', topics, by }, ({ orders }) => orders.promote(topics))
  }

  async pause (name: string, what: PauseSelection, by: Operator | null = null): Promise<LinkStatus> {
    return await this.#order(name, { action: 'pause', topics: what, by }, ({ orders }) => isTask(what) ? orders.pauseTask(what.task, true) : orders.pause(what))
  }

  async resume (name: string, what: PauseSelection, by: Operator | null = null): Promise<LinkStatus> {
    return await this.#order(name, { action: 'resume', topics: what, by }, ({ orders }) => isTask(what) ? orders.pauseTask(what.task, false) : orders.resume(what))
  }

  async removeTopic (name: string, topic: string, by: Operator | null = null): Promise<LinkStatus> {
    return await this.#order(name, { action: 'topic remove', topics: topic, by }, ({ repairs }) => repairs.remove(topic))
  }

  async retryTopic (name: string, topic: string, by: Operator | null = null): Promise<LinkStatus> {
    return await this.#order(name, { action: 'topic retry', topics: topic, by }, ({ repairs }) => repairs.retry(topic))
  }

  async restoreTopic (name: string, topic: string, restoration: Restoration, by: Operator | null = null): Promise<LinkStatus> {
    return await this.#order(name, { action: 'topic restore', topics: topic, how: ` from ${restoration.from}`, by }, ({ repairs }) => repairs.restore(topic, restoration))
  }

  async planRestore (name: string, topic: string): Promise<RestorePlan> {
    return await (await this.#readyLink(name)).repairs.planRestore(topic)
  }

  async #order (name: string, { topics, how = '', ...order }: Pick<AuditOrder, 'action' | 'by'> & { readonly topics: PauseSelection, readonly how?: string }, give: (link: ShadowLink) => Promise<void>): Promise<LinkStatus> {
    const { audit } = this.#leading()
    const link = await this.#readyLink(name)
    const count = isTask(topics) ? null : typeof topics === 'string' ? 1 : link.orders.chosen(topics).length
    await audit.during({ ...order, link: name, topics: count, detail: `${selectionText(topics)}${how}` }, () => this.#give(link, give))
    return this.#link(name).status()
  }

  /** Gives an order, which can be repeated, to a link; to the one that follows where that is started anew meanwhile. */
  async #give (link: ShadowLink, give: (link: ShadowLink) => Promise<void>): Promise<void> {
    try {
      await give(link)
    } catch (error) {
      const entry = this.#reign?.links.get(link.name)
      const isReplaced = entry !== undefined && (entry.restarting !== null || entry.link !== link)
      if (!isReplaced || !(error instanceof ShadowError) || error.code !== 'ABORTED') throw error
      await this.#give(await this.#readyLink(link.name), give)
    }
  }

  audit (link: string | null): Promise<readonly AuditRecord[]> {
    return settled(() => {
      this.#leading()
      return [...this.#options.state.state?.audit.values() ?? []].filter(record => link === null || record.link === link).sort((a, b) => a.number - b.number)
    })
  }

  async update (name: string, document: unknown, { dryRun, by = null }: { readonly dryRun: boolean, readonly by?: Operator | null }): Promise<LinkUpdate> {
    const given = parseLinkDocument(document, 'link')
    return await this.#change(async () => {
      const reign = this.#leading()
      const { record } = this.#link(name)
      const config = await this.#secrets.accept({ uid: record.uid, config: given }, record.config)
      const { changed, reconnects, movesSource } = planUpdate(record, config)
      if (movesSource) await this.#factory.withSource(config, async cluster => { await checkMovedSource(record, config, { cluster, signal: abortedWithin(reign.signal, UPDATE_CHECK_MS) }) })
      if (!dryRun && changed.length > 0) {
        await reign.audit.during({ action: 'update', link: name, topics: null, detail: changed.join(', '), by }, () => reconnects ? this.#restart(reign, name, config) : this.#link(name).reconfigure(config))
        this.#options.logger.info({ link: name, changed }, `link ${name} was updated`)
      }
      return { changed, reconnects, link: this.#link(name).status() }
    })
  }

  /**
   * Stops a link and starts it anew with another configuration. What it was about to do, a failover too, goes on from what the state
   * topic says, as with an engine that takes over. The shadow leader stays who it is.
   */
  async #restart (reign: Reign, name: string, config: LinkConfig): Promise<void> {
    const entry = this.#entry(name)
    const restart = async (): Promise<void> => {
      await entry.link.quiesce()
      entry.abort.abort()
      await entry.link.stopped()
      const record = { ...entry.link.record, config }
      try {
        // Behind everything that the link has written: whoever has read this has read all of that.
        const end = await reign.writer.write([{ kind: 'link', name, value: record }])
        await this.#options.state.reached(end, reign.signal)
      } catch (error) {
        // Nobody knows which of the two configurations is written down: whoever leads next reads it.
        if (!isAborted(reign.signal)) reign.resign(`the configuration of link ${name} could not be written: ${messageOf(error)}`)
        throw error
      }
      this.#startLink(reign, record)
    }
    const restarting = restart()
    entry.restarting = restarting.catch(() => {})
    await restarting
  }

  async delete (name: string, { force, by = null }: { readonly force: boolean, readonly by?: Operator | null }): Promise<void> {
    await this.#change(async () => {
      const reign = this.#leading()
      const link = this.#link(name)
      const live = link.unopened.filter(({ record }) => record.state !== 'FAULTED')
      if (live.length > 0 && !force) {
        throw new ShadowError('CONFLICT', `link ${name} has ${live.length} live shadow topics (${live.slice(0, 3).map(({ topic, record }) => `${topic} is ${record.state}`).join(', ')}): fail them over first, or force the deletion, which fails them over too`)
      }
      await reign.audit.during({ action: 'delete', link: name, topics: link.orders.chosen(null).length, detail: force ? 'forced' : '', by }, () => this.#delete(reign, link, force))
    })
  }

  async #delete (reign: Reign, link: ShadowLink, force: boolean): Promise<void> {
    const { name } = link
    await reign.writer.write(await releaseLink(link, { force, at: this.#wallClock().toISOString(), logger: this.#options.logger }))
    const entry = reign.links.get(name)
    reign.links.delete(name)
    entry?.abort.abort()
    await link.stopped()
    this.#leadership?.tend(reign)
    this.#options.logger.info({ link: name }, `link ${name} was deleted`)
  }

  async * verify (name: string, { topic, signal }: { readonly topic: string | null, readonly signal: AbortSignal }): AsyncGenerator<VerifyTopicReport> {
    const link = this.#link(name)
    if (topic !== null && !link.topics.has(topic)) throw new ShadowError('NOT_FOUND', `link ${name} has no shadow topic ${topic}`)
    const topics = [...link.topics.values()].filter(candidate => topic === null ? !isTakenOut(candidate.record) : candidate.topic === topic)
    yield * verifyLink(topics, { source: link.source, shadow: this.#options.cluster, replicasOf: (shadowTopic, partition) => link.replicasOf(shadowTopic, partition), signal: AbortSignal.any([signal, this.#abort.signal]) })
  }

  async #change<T> (work: () => Promise<T>): Promise<T> {
    const result = this.#changing.then(work)
    this.#changing = result.catch(() => {})
    return await result
  }
}

/** It may have ended, and what it had is still being stopped. */
function isLeading ({ lease, signal }: Reign): boolean {
  return !signal.aborted && lease.isHeld()
}

/** What `work` returns or throws, as a promise. */
function settled<T> (work: () => T): Promise<T> {
  return new Promise(resolve => { resolve(work()) })
}
