/**
 * A group coordinator on a scripted peer: joins, generations and the leader's place, in the way of Kafka's classic groups, and
 * with sessions that end only when the test says so. A test may put an error code in the place of any answer.
 */
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { JoinGroup } from '../../protocol/messages/join-group.ts'
import { LeaveGroup } from '../../protocol/messages/leave-group.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { SyncGroup } from '../../protocol/messages/sync-group.ts'
import type { ResponseInput } from '../../protocol/schema/api.ts'
import type { ScriptedPeer } from './scripted-peer.ts'

type JoinAnswer = ResponseInput<typeof JoinGroup>

type GroupRequest = 'find' | 'join' | 'sync' | 'heartbeat' | 'leave'

export class ScriptedCoordinator {
  /** Error codes to answer with instead, until they are deleted. */
  readonly errors = new Map<GroupRequest, number>()
  /** Requests that are not answered at all. */
  readonly silent = new Set<GroupRequest>()
  readonly members = new Set<string>()
  leader: string | null = null
  generation = 0
  #ids = 0
  #isRebalancing = false
  readonly #joining = new Map<string, (answer: JoinAnswer) => void>()
  readonly #peer: ScriptedPeer

  constructor (peer: ScriptedPeer) {
    this.#peer = peer
    peer.on(Metadata, () => ({ brokers: [{ nodeId: 1, ...peer.address }], controllerId: 1, topics: [] }))
    peer.on(FindCoordinator, ({ version, body }) => {
      const errorCode = this.errors.get('find') ?? 0
      const row = { nodeId: 1, ...peer.address, errorCode, errorMessage: null }
      if (this.silent.has('find')) return null
      return version >= 4 ? { coordinators: body.coordinatorKeys.map(key => ({ key, ...row })) } : { ...row, errorMessage: version >= 1 ? null : '' }
    })
    peer.on(JoinGroup, async ({ version, body, connection }) => {
      const refused = this.errors.get('join')
      if (this.silent.has('join')) return null
      if (refused !== undefined) return noJoin(refused, '', version)
      if (body.memberId === '') {
        const memberId = `m${++this.#ids}`
        if (version >= 4) return noJoin(ErrorCodes.MEMBER_ID_REQUIRED, memberId, version)
        return await this.#join(memberId, version)
      }
      if (!this.members.has(body.memberId) && !/^m\d+$/.test(body.memberId)) return noJoin(ErrorCodes.UNKNOWN_MEMBER_ID, '', version)
      if (connection.socket.destroyed) return null
      return await this.#join(body.memberId, version)
    })
    peer.on(SyncGroup, () => this.silent.has('sync') ? null : { errorCode: this.errors.get('sync') ?? 0, assignment: Buffer.alloc(0) })
    peer.on(Heartbeat, ({ body }) => {
      if (this.silent.has('heartbeat')) return null
      const known = this.members.has(body.memberId) ? (body.generationId === this.generation ? 0 : ErrorCodes.ILLEGAL_GENERATION) : ErrorCodes.UNKNOWN_MEMBER_ID
      return { errorCode: this.errors.get('heartbeat') ?? (known === 0 && this.isRebalancing ? ErrorCodes.REBALANCE_IN_PROGRESS : known) }
    })
    peer.on(LeaveGroup, ({ body }) => {
      for (const memberId of [body.memberId, ...body.members.map(({ memberId }) => memberId)]) if (this.members.has(memberId)) this.expel(memberId)
      return this.silent.has('leave') ? null : { errorCode: this.errors.get('leave') ?? 0 }
    })
  }

  /** True from a change of the members on until all that are left have joined again. */
  get isRebalancing (): boolean {
    return this.#isRebalancing
  }

  /** The member's session has ended, or it left. */
  expel (memberId: string): void {
    this.#isRebalancing = true
    this.members.delete(memberId)
    this.#joining.delete(memberId)
    if (this.leader === memberId) this.leader = [...this.members][0] ?? null
    this.#complete()
  }

  async #join (memberId: string, version: number): Promise<JoinAnswer> {
    this.members.add(memberId)
    this.leader ??= memberId
    this.#isRebalancing = true
    return await new Promise<JoinAnswer>(resolve => {
      this.#joining.set(memberId, answer => { resolve({ ...answer, ...(version >= 7 ? {} : { protocolName: 'leader' }) }) })
      this.#complete()
    })
  }

  /** A generation begins when all members have joined. */
  #complete (): void {
    if (this.#joining.size === 0 || [...this.members].some(member => !this.#joining.has(member))) return
    this.generation++
    this.#isRebalancing = false
    const joined = [...this.#joining]
    this.#joining.clear()
    for (const [memberId, answer] of joined) {
      answer({
        errorCode: 0,
        generationId: this.generation,
        protocolType: 'kafka-shadow',
        protocolName: 'leader',
        leader: this.leader ?? '',
        memberId,
        members: memberId === this.leader ? joined.map(([memberId]) => ({ memberId, metadata: Buffer.alloc(0) })) : []
      })
    }
  }

  /** Waits for a condition that requests bring about. */
  async until (condition: () => boolean): Promise<void> {
    while (!condition()) await this.#peer.received(Heartbeat, this.#peer.count(Heartbeat) + 1)
  }
}

function noJoin (errorCode: number, memberId: string, version: number): JoinAnswer {
  return { errorCode, protocolName: version >= 7 ? null : '', leader: '', memberId, members: [] }
}
