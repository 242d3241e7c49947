/**
 * The part of an engine in append mode replica, whether it leads the links or not.
 *
 *   none ──a broker id was given to us──▶ standing by ──elected, and a link needs it──▶ leading ──the reign ended──▶ none …
 *                                          │    ▲ given to us again
 *                                          ▼    │
 *                                          none: it was given to somebody else, or to nobody
 *
 * Whoever leads gives every other engine of the group a broker id (`ShadowIdentities.seat`). Where the controller has one lead that
 * stands by, because the shadow leader was away for longer than its session, the reign follows: `Reign.resign`.
 */
import type { Cluster } from '../client/cluster.ts'
import type { ShadowLeaderConfig } from '../config/run-config.ts'
import { messageOf } from '../errors.ts'
import { isAborted, onAbort } from '../net/abort.ts'
import { backoffMs } from '../net/backoff.ts'
import type { Dial } from '../net/dial.ts'
import { sleep } from '../net/sleep.ts'
import type { Logger } from '../observability/logger.ts'
import type { ShadowLeaderRecord } from '../state/records.ts'
import type { StateFollower } from '../state/state-follower.ts'
import { Eviction } from './append/replica/eviction.ts'
import type { EnginePlace } from './append/replica/shadow-identity.ts'
import { ShadowLeader } from './append/replica/shadow-leader.ts'
import { isLedByStandby } from './append/replica/standby-members.ts'
import { placesOf } from './engine-card.ts'
import type { Reign } from './reign.ts'

const RETRY = { baseMs: 200, maxMs: 5000 }
const LOOK_MS = 1000
/** Longer than a session at the controllers is by default. Who stands by has been elected there by then. */
const CUT_OFF_MS = 12_000

export interface ShadowLeadershipOptions {
  readonly config: ShadowLeaderConfig
  /** Of this process. */
  readonly instance: string
  readonly cluster: Cluster
  readonly state: StateFollower
  readonly dial: Dial | undefined
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
}

interface Current {
  readonly leader: ShadowLeader
  readonly abort: AbortController
  /** Null while it stands by. */
  reign: Reign | null
}

export class ShadowLeadership {
  readonly #options: ShadowLeadershipOptions
  readonly #logger: Logger
  #current: Current | null = null
  #reign: Reign | null = null
  #engines: readonly EnginePlace[] = []
  #isStopped = false
  /** One thing after the other: beginning to stand by, ending it, beginning to lead. */
  #turn: Promise<unknown> = Promise.resolve()
  #seating: Promise<void> = Promise.resolve()
  #tending: Promise<void> = Promise.resolve()
  readonly #forget: () => void

  constructor (options: ShadowLeadershipOptions) {
    this.#options = options
    this.#logger = options.logger.child({ part: 'shadow-leader' })
    this.#forget = options.state.onChange(({ kind }) => { if (kind === 'shadow-leader') this.#lookSoon() })
  }

  /** What the members of the engines' group tell. */
  noteMembers (cards: readonly Buffer[]): void {
    this.#engines = placesOf(cards)
    this.#seatSoon()
  }

  /** A reign begins, before its links do. Resolves when nothing else is being begun or ended. */
  async begin (reign: Reign): Promise<void> {
    this.#reign = reign
    await this.#turn
  }

  /** The shadow leader of the reign, which observes until it is told to lead. */
  leaderOf (reign: Reign): ShadowLeader {
    const current = this.#current ??= this.#make(null)
    if (current.reign === null) {
      current.reign = reign
      onAbort(reign.signal, () => { current.abort.abort(reign.signal.reason) })
      this.#watch(current, reign)
      current.leader.onReady(() => this.#seatSoon())
    }
    return current.leader
  }

  /** After the reign's signal, and after its links: ends what it had. */
  async end (reign: Reign): Promise<void> {
    await this.#tending
    await this.#seating
    const current = this.#current
    if (this.#reign !== reign) return
    if (current?.reign === reign) {
      await current.leader.stopped()
      this.#current = null
    }
    this.#reign = null
    this.#lookSoon()
  }

  /** Begins to stand by no more: this engine is about to end. */
  quiesce (): void {
    this.#isStopped = true
    this.#forget()
  }

  /** After `quiesce`, and after the last reign. One that stands by leaves the ISR at once. */
  async stopped (): Promise<void> {
    await this.#exclusively(() => this.#endStandby())
  }

  /**
   * To be called when links came, ended, or have something failed over: begins to lead where one needs it, and takes the shadow leaders
   * out of the cluster once none does: what is left is plain Kafka. One at a time: whoever comes meanwhile is looked at afterwards.
   */
  tend (reign: Reign): void {
    this.#tending = this.#tending.then(() => this.#tend(reign)).catch(() => {})
    this.#seatSoon()
  }

  async #tend (reign: Reign): Promise<void> {
    const { state } = this.#options
    const { signal } = reign
    for (let failures = 0; !signal.aborted && !isNeeded(reign) && (state.state?.shadowLeaders.size ?? 0) > 0; failures++) {
      try {
        await this.leaderOf(reign).unregister(signal)
      } catch (error) {
        if (isAborted(signal)) return
        this.#logger.warn({ err: error }, `the shadow leader could not be unregistered yet: ${messageOf(error)}`)
        await sleep(backoffMs(failures, RETRY), signal).catch(() => {})
      }
    }
    if (!signal.aborted && isNeeded(reign)) this.leaderOf(reign).lead()
  }

  #make (identity: ShadowLeaderRecord | null): Current {
    const { config, instance, cluster, state, dial, now, wallClock } = this.#options
    const abort = new AbortController()
    const leader = new ShadowLeader({
      config,
      instance,
      cluster,
      state,
      write: async changes => {
        if (current.reign === null) throw new TypeError('only who leads the links writes to the state topic')
        return await current.reign.writer.write(changes)
      },
      mayLead: () => current.reign?.lease.isHeld() === true,
      signal: abort.signal,
      dial,
      logger: this.#logger,
      now,
      wallClock
    })
    const current: Current = { leader, abort, reign: null }
    if (identity !== null) leader.standBy(identity)
    Eviction.start({
      leader,
      isStandingBy: () => current.reign === null,
      isShadowTopic: topic => current.reign === null
        ? state.state === null || state.state.isReadFromFollowers(topic)
        : isShadowTopic(current.reign, topic),
      lookAgain: async signal => { if (current.reign === null) await state.caughtUp(signal) },
      signal: abort.signal,
      logger: this.#logger
    })
    return current
  }

  #lookSoon (): void {
    this.#exclusively(() => this.#look()).catch((error: unknown) => this.#logger.warn({ err: error }, `standing by failed: ${messageOf(error)}`))
  }

  /** Begins to stand by, or ends it, as the state says. */
  async #look (): Promise<void> {
    if (this.#reign !== null || this.#isStopped) return
    const seat = this.#seat
    const brokerId = this.#current?.leader.brokerId ?? null
    if (this.#current !== null && brokerId !== (seat?.brokerId ?? null)) await this.#endStandby()
    if (seat === null || this.#current !== null) return
    this.#logger.info({ brokerId: seat.brokerId }, `this engine stands by as broker ${seat.brokerId}`)
    this.#current = this.#make(seat)
  }

  /** The broker that was given to this process. */
  get #seat (): ShadowLeaderRecord | null {
    const { state, instance } = this.#options
    return [...state.state?.shadowLeaders.values() ?? []].find(record => record.instance === instance) ?? null
  }

  async #endStandby (): Promise<void> {
    const current = this.#current
    if (current === null || current.reign !== null) return
    this.#logger.info({ brokerId: current.leader.brokerId }, 'this engine stands by no longer')
    await current.leader.retire()
    current.abort.abort()
    await current.leader.stopped()
    this.#current = null
  }

  async #exclusively<T> (work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return await result
  }

  #seatSoon (): void {
    const reign = this.#reign
    if (reign !== null) this.#seating = this.#seating.then(() => this.#seatEngines(reign)).catch(() => {})
  }

  /** Gives the engines that stand by a broker id each. */
  async #seatEngines (reign: Reign): Promise<void> {
    const { signal } = reign
    for (let failures = 0; !signal.aborted && isNeeded(reign); failures++) {
      const leader = this.#current?.leader
      if (this.#current?.reign !== reign || leader?.isReady !== true) return
      try {
        const { brokerId, image } = leader.assertReady()
        await leader.identities.seat(this.#engines, { image, leading: new Set([brokerId]), signal })
        return
      } catch (error) {
        if (isAborted(signal)) return
        this.#logger.warn({ err: error }, `engines that stand by have no broker id yet: ${messageOf(error)}`)
        await sleep(backoffMs(failures, RETRY), signal).catch(() => {})
      }
    }
  }

  /** Gives the links up where another engine is to lead the partitions. */
  #watch ({ leader }: Current, reign: Reign): void {
    const look = (): void => {
      if (!leader.isSettled || leader.isSteppingAside || reign.signal.aborted) return
      if (isLedByStandby(leader, topic => isShadowTopic(reign, topic))) reign.resign('the controller has had another engine lead, because this one was away')
      else if (leader.heartbeatAgeMs() > CUT_OFF_MS && leader.livingStandbys.length > 0) reign.resign('no heartbeat of the shadow leader was answered for long, and another engine stands by')
    }
    const forget = leader.metadata.onChange(look)
    const timer = setInterval(look, LOOK_MS)
    onAbort(reign.signal, () => {
      forget()
      clearInterval(timer)
    })
  }
}

function isShadowTopic ({ links }: Reign, topic: string): boolean {
  return [...links.values()].some(({ link }) => link.isShadowing(topic))
}

/** True while a link is a reason to have a shadow leader. */
function isNeeded ({ links }: Reign): boolean {
  return [...links.values()].some(({ link }) => link.record.appendMode === 'replica' && !link.isDone)
}
