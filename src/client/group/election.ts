import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { BrokerError, isBrokerError, messageOf } from '../../errors.ts'
import { isAborted, onAbort } from '../../net/abort.ts'
import { backoffMs } from '../../net/backoff.ts'
import { sleep } from '../../net/sleep.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Cluster } from '../cluster.ts'
import { GroupMember } from './group-member.ts'
import { HeldLease, type Lease } from './lease.ts'

export type { Lease } from './lease.ts'

export interface ElectionOptions {
  readonly groupId: string
  /** How long after the end of the leader another takes over, at the latest. Brokers allow 6 s to 30 min. */
  readonly sessionTimeoutMs: number
  /** What whoever is elected is told of us. Default: nothing. */
  readonly metadata?: Buffer
  /** Called while we lead, just before `lead` too, with what every member tells of itself: when one comes or goes. */
  readonly onMembers?: (members: readonly Buffer[]) => void
  /**
   * Called when we are elected. It should end soon after its lease has: nobody is elected here before. When it ends by itself,
   * leadership is given up, and we stand for election again after a pause.
   */
  readonly lead: (lease: Lease) => Promise<void>
  /**
   * Called with why we cannot take part, which may be told again and again, and with null when we can: what does not pass is told at
   * once, what may pass when it has lasted for a session.
   */
  readonly onProblem?: (problem: string | null) => void
}

export interface ElectionRunOptions {
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly now?: () => number
}

const MAX_HEARTBEAT_INTERVAL_MS = 3000

/** What of a session our lease leaves to the difference of clocks. */
const LEASE_SHARE = 0.75
const LEAVE_TIMEOUT_MS = 2000
const RETRY = { baseMs: 100, maxMs: 3000 }
/** Within a session there is little time to lose. */
const HEARTBEAT_RETRY = { baseMs: 50, maxMs: 500 }

/** The coordinator has given our place away. */
const EXPELLED: ReadonlySet<number> = new Set<number>([ErrorCodes.UNKNOWN_MEMBER_ID, ErrorCodes.ILLEGAL_GENERATION, ErrorCodes.FENCED_INSTANCE_ID])

/**
 * Elects one of those who run this with the same group: the leader of a classic consumer group. It ends only by the signal, after
 * `lead` has ended and the group was left; errors are logged, and it goes on.
 */
export async function runElection (cluster: Cluster, options: ElectionOptions, { signal, logger, now = () => performance.now() }: ElectionRunOptions): Promise<void> {
  await new Election(cluster, options, { signal, logger, now }).run()
}

/** A call of `lead` that has not settled yet. */
interface Leading {
  readonly lease: HeldLease
  readonly startedAtMs: number
  readonly settled: Promise<void>
  /** True when `lead` ended before the lease did. */
  endedByItself: boolean
}

/**
 *               join, sync
 *   outside ──────────────────▶ following ◀──┐ heartbeats; a rebalance that leaves another the leader
 *      ▲                         │      └────┘
 *      │                         │ a rebalance that makes us the leader
 *      │  the lease ended, or    ▼
 *      │  `lead` did; it has   leading  ◀──┐ heartbeats, each prolongs the lease; a rebalance that leaves us the leader
 *      └────── settled ──────────┘  └──────┘
 */
class Election {
  readonly #options: ElectionOptions
  readonly #signal: AbortSignal
  readonly #logger: Logger
  readonly #now: () => number
  readonly #member: GroupMember
  readonly #heartbeatMs: number
  readonly #leaseMs: number
  #leading: Leading | null = null
  #failures = 0
  #shortReigns = 0
  /** When the coordinator last took us for a member. */
  #memberAtMs: number

  constructor (cluster: Cluster, options: ElectionOptions, { signal, logger, now }: Required<ElectionRunOptions>) {
    const { groupId, sessionTimeoutMs, metadata } = options
    this.#options = options
    this.#signal = signal
    this.#logger = logger.child({ group: groupId })
    this.#now = now
    this.#memberAtMs = now()
    this.#heartbeatMs = Math.min(MAX_HEARTBEAT_INTERVAL_MS, sessionTimeoutMs / 5)
    this.#leaseMs = sessionTimeoutMs * LEASE_SHARE
    this.#member = new GroupMember(cluster, { groupId, sessionTimeoutMs, requestTimeoutMs: sessionTimeoutMs / 4, ...(metadata === undefined ? {} : { metadata }) })
  }

  async run (): Promise<void> {
    const stopListening = onAbort(this.#signal, () => { this.#leading?.lease.end('the election was stopped') })
    while (!this.#signal.aborted) {
      try {
        await this.#settleOldLease()
        await this.#takePart()
      } catch (error) {
        if (isAborted(this.#signal)) break
        await this.#noteFailure(error)
      }
    }
    stopListening()
    this.#leading?.lease.end('the election was stopped')
    await this.#stepDown()
  }

  /** Joins, and stays in the group until something is to be done anew: returns to join again, throws to do so after a pause. */
  async #takePart (): Promise<void> {
    const signal = this.#signal
    const joinedAtMs = this.#now()
    const { isLeader, leaderId, members } = await this.#member.join({ signal })
    if (!isLeader) this.#leading?.lease.end(`the group has another leader: ${leaderId}`)
    else this.#leading?.lease.renew(joinedAtMs)
    const syncedAtMs = this.#now()
    await this.#member.sync({ signal })
    this.#leading?.lease.renew(syncedAtMs)
    this.#failures = 0
    this.#noteMember()
    // A lease that ended is not taken up again: its work has to end first, and that may take longer than a session.
    if (this.#leading !== null && !this.#leading.lease.isHeld()) return
    if (isLeader) this.#options.onMembers?.(members)
    // Who was elected and cannot lead must not stay: nobody else would.
    if (isLeader && this.#leading === null && !this.#lead(syncedAtMs)) return
    if (!isLeader) this.#logger.debug({ leader: leaderId, generation: this.#member.generationId }, 'another leads')
    await this.#stay()
  }

  /** False when the lease would be over before it begins. */
  #lead (sentAtMs: number): boolean {
    const lease = new HeldLease({ durationMs: this.#leaseMs, sentAtMs, now: this.#now })
    if (!lease.isHeld()) {
      this.#logger.warn('elected, but the answer took so long that another may have been since')
      return false
    }
    this.#logger.info({ generation: this.#member.generationId }, 'elected')
    const lead = async (): Promise<void> => { await this.#options.lead(lease) }
    const settled = lead().catch((error: unknown) => {
      if (lease.signal.aborted) this.#logger.debug({ err: error }, 'leading was cut short')
      else this.#logger.error({ err: error }, 'leading ended with an error')
    }).then(() => {
      leading.endedByItself = lease.isHeld()
      lease.end('leading ended by itself')
    })
    const leading: Leading = { lease, startedAtMs: this.#now(), settled, endedByItself: false }
    this.#leading = leading
    onAbort(lease.signal, () => { this.#logger.info({ reason: messageOf(lease.signal.reason) }, 'not the leader any more') })
    return true
  }

  /** Heartbeats until the group has to be joined again or the lease ends. */
  async #stay (): Promise<void> {
    const signal = this.#leading === null ? this.#signal : AbortSignal.any([this.#signal, this.#leading.lease.signal])
    for (let failures = 0; ;) {
      await sleep(failures === 0 ? this.#heartbeatMs : backoffMs(failures - 1, HEARTBEAT_RETRY), signal).catch(() => {})
      if (signal.aborted) return
      const sentAtMs = this.#now()
      try {
        await this.#member.heartbeat({ signal })
        this.#leading?.lease.renew(sentAtMs)
        failures = 0
        this.#noteMember()
      } catch (error) {
        if (isAborted(signal) || isBrokerError(error, ErrorCodes.REBALANCE_IN_PROGRESS)) return
        if (error instanceof BrokerError && !error.retriable) throw error
        this.#noteProblem(error)
        // Our place in the group lasts as long as the session, and so may other attempts.
        if (failures++ === 0) this.#logger.warn({ err: error }, 'a heartbeat failed; trying again')
      }
    }
  }

  /** After the end of a lease: the group is left, and joined again when `lead` has settled. */
  async #settleOldLease (): Promise<void> {
    if (this.#leading === null || this.#leading.lease.isHeld()) return
    const { endedByItself, startedAtMs } = this.#leading
    this.#shortReigns = this.#now() - startedAtMs < this.#options.sessionTimeoutMs ? this.#shortReigns + 1 : 0
    await this.#stepDown()
    // Others shall have a chance, and whatever it was that made `lead` end may need time.
    if (endedByItself) await sleep(RETRY.baseMs + backoffMs(this.#shortReigns, RETRY), this.#signal)
  }

  async #stepDown (): Promise<void> {
    await this.#leading?.settled
    this.#leading = null
    try {
      await this.#member.leave({ signal: AbortSignal.timeout(LEAVE_TIMEOUT_MS) })
    } catch (error) {
      this.#logger.debug({ err: error }, 'the group could not be left: it notices at the end of the session')
    }
  }

  #noteMember (): void {
    this.#memberAtMs = this.#now()
    this.#options.onProblem?.(null)
  }

  #noteProblem (error: unknown): void {
    const isLasting = error instanceof BrokerError && !error.retriable && !EXPELLED.has(error.wireCode)
    if (isLasting || this.#now() - this.#memberAtMs > this.#options.sessionTimeoutMs) this.#options.onProblem?.(messageOf(error))
  }

  async #noteFailure (error: unknown): Promise<void> {
    if (isBrokerError(error, ErrorCodes.REBALANCE_IN_PROGRESS)) {
      await sleep(backoffMs(this.#failures++, HEARTBEAT_RETRY), this.#signal).catch(() => {})
      return
    }
    this.#noteProblem(error)
    if (error instanceof BrokerError && EXPELLED.has(error.wireCode)) {
      this.#leading?.lease.end(messageOf(error))
      this.#member.forget()
      this.#logger.warn({ err: error }, 'out of the group; joining again')
    } else if (error instanceof BrokerError && !error.retriable) {
      this.#logger.error({ err: error }, 'the election fails, and will until something is changed; trying again')
    } else {
      this.#logger.warn({ err: error }, 'the election fails; trying again')
    }
    await sleep(backoffMs(this.#failures++, RETRY), this.#signal).catch(() => {})
  }
}
