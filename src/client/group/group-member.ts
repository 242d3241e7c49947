/** One member of a classic consumer group: the requests of the group protocol, and what is known of our place in it. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { FindCoordinator } from '../../../protocol/messages/find-coordinator.ts'
import { Heartbeat } from '../../../protocol/messages/heartbeat.ts'
import { JoinGroup } from '../../../protocol/messages/join-group.ts'
import { LeaveGroup } from '../../../protocol/messages/leave-group.ts'
import { SyncGroup } from '../../../protocol/messages/sync-group.ts'
import { BrokerError, isBrokerError } from '../../errors.ts'
import type { Cluster } from '../cluster.ts'
import { COORDINATOR_KEYS_VERSION, GROUP_KEY_TYPE } from './coordinators.ts'

export const PROTOCOL_TYPE = 'kafka-shadow'
const PROTOCOL_NAME = 'leader'
const NO_BYTES = Buffer.alloc(0)

/** From this version on LeaveGroup takes several members. */
const LEAVE_MEMBERS_VERSION = 3

/** How much longer than a rebalance may take we wait for the answer to JoinGroup. */
const JOIN_GRACE_MS = 5000

const COORDINATOR_MOVED: ReadonlySet<number> = new Set<number>([ErrorCodes.NOT_COORDINATOR, ErrorCodes.COORDINATOR_NOT_AVAILABLE])

export interface GroupMemberOptions {
  readonly groupId: string
  readonly sessionTimeoutMs: number
  /** How long the coordinator may take over anything but a join. */
  readonly requestTimeoutMs: number
  /** What whoever leads the group is told of us. Default: nothing. */
  readonly metadata?: Buffer
}

export interface JoinedGroup {
  readonly isLeader: boolean
  readonly leaderId: string
  /** What each member tells of itself; only the leader of the group learns it. */
  readonly members: readonly Buffer[]
}

type Signal = { readonly signal: AbortSignal }

export class GroupMember {
  readonly #cluster: Cluster
  readonly #options: GroupMemberOptions
  #coordinatorId: number | null = null
  #memberId = ''
  #generationId = -1

  constructor (cluster: Cluster, options: GroupMemberOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  /** Empty while we are no member. */
  get memberId (): string {
    return this.#memberId
  }

  get generationId (): number {
    return this.#generationId
  }

  /**
   * Joins the group, or joins it again in a rebalance. Returns who leads the group, and who is in it.
   * @throws {BrokerError} REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID, ... @throws {ShadowError} when the coordinator cannot be asked
   */
  async join ({ signal }: Signal): Promise<JoinedGroup> {
    const { groupId, sessionTimeoutMs, metadata = NO_BYTES } = this.#options
    const ask = async (): Promise<JoinedGroup> => await this.#toCoordinator(signal, async nodeId => {
      const { body } = await this.#cluster.request(JoinGroup, {
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs: sessionTimeoutMs,
        memberId: this.#memberId,
        protocolType: PROTOCOL_TYPE,
        protocols: [{ name: PROTOCOL_NAME, metadata }]
        // A join that is given up must not keep what follows waiting behind it.
      }, nodeId, { signal, purpose: 'group', timeoutMs: sessionTimeoutMs + JOIN_GRACE_MS, resetOnAbort: true })
      // KIP-394: the id comes with the error, so that a client that tries again and again does not fill the group.
      if (body.errorCode === ErrorCodes.MEMBER_ID_REQUIRED) this.#memberId = body.memberId
      check(body.errorCode, `JoinGroup ${groupId}`, body.errorCode === ErrorCodes.INVALID_SESSION_TIMEOUT ? `the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms do not allow ${sessionTimeoutMs} ms` : null)
      this.#memberId = body.memberId
      this.#generationId = body.generationId
      return { isLeader: body.leader === body.memberId, leaderId: body.leader, members: body.members.map(member => member.metadata) }
    })
    try {
      return await ask()
    } catch (error) {
      if (!isBrokerError(error, ErrorCodes.MEMBER_ID_REQUIRED)) throw error
      return await ask()
    }
  }

  /** Ends the join. Nobody in the group has work to hand out: the leader's assignments are empty. */
  async sync ({ signal }: Signal): Promise<void> {
    const { groupId, requestTimeoutMs, sessionTimeoutMs } = this.#options
    await this.#toCoordinator(signal, async nodeId => {
      const { body } = await this.#cluster.request(SyncGroup, {
        groupId,
        generationId: this.#generationId,
        memberId: this.#memberId,
        protocolType: PROTOCOL_TYPE,
        protocolName: PROTOCOL_NAME,
        assignments: []
        // Followers wait for the leader.
      }, nodeId, { signal, purpose: 'group', timeoutMs: Math.max(requestTimeoutMs, sessionTimeoutMs), resetOnAbort: true })
      check(body.errorCode, `SyncGroup ${groupId}`)
    })
  }

  async heartbeat ({ signal }: Signal): Promise<void> {
    const { groupId, requestTimeoutMs } = this.#options
    await this.#toCoordinator(signal, async nodeId => {
      const { body } = await this.#cluster.request(Heartbeat, { groupId, generationId: this.#generationId, memberId: this.#memberId }, nodeId, {
        signal, purpose: 'group', timeoutMs: requestTimeoutMs
      })
      check(body.errorCode, `Heartbeat ${groupId}`)
    })
  }

  /** Leaves the group if we are in it, so that another can lead at once. We are out of it afterwards, whatever the answer. */
  async leave ({ signal }: Signal): Promise<void> {
    const { groupId, requestTimeoutMs } = this.#options
    const memberId = this.#memberId
    this.forget()
    if (memberId === '') return
    await this.#toCoordinator(signal, async nodeId => {
      const { body } = await this.#cluster.request(LeaveGroup, version => ({
        groupId, ...(version >= LEAVE_MEMBERS_VERSION ? { members: [{ memberId }] } : { memberId })
      }), nodeId, { signal, purpose: 'group', timeoutMs: requestTimeoutMs })
      check(body.errorCode, `LeaveGroup ${groupId}`)
    })
  }

  /** The coordinator does not know us any more. */
  forget (): void {
    this.#memberId = ''
    this.#generationId = -1
  }

  async #toCoordinator<T> (signal: AbortSignal, ask: (nodeId: number) => Promise<T>): Promise<T> {
    this.#coordinatorId ??= await this.#findCoordinator(signal)
    try {
      return await ask(this.#coordinatorId)
    } catch (error) {
      // No answer at all may mean that the coordinator is another broker now.
      if (!(error instanceof BrokerError) || COORDINATOR_MOVED.has(error.wireCode)) this.#coordinatorId = null
      throw error
    }
  }

  async #findCoordinator (signal: AbortSignal): Promise<number> {
    const { groupId, requestTimeoutMs } = this.#options
    const { body } = await this.#cluster.request(FindCoordinator, version => ({
      keyType: GROUP_KEY_TYPE, ...(version >= COORDINATOR_KEYS_VERSION ? { coordinatorKeys: [groupId] } : { key: groupId })
    }), 'any', { signal, timeoutMs: requestTimeoutMs })
    const found = body.coordinators.find(({ key }) => key === groupId) ?? body
    check(found.errorCode, `FindCoordinator ${groupId}`, found.errorMessage)
    // The coordinator may be a broker that came after our metadata.
    if (this.#cluster.lastView?.brokers.has(found.nodeId) !== true) await this.#cluster.refresh({ signal })
    return found.nodeId
  }
}

function check (errorCode: number, what: string, text: string | null = null): void {
  if (errorCode !== ErrorCodes.NONE) throw new BrokerError(errorCode, what, text)
}
