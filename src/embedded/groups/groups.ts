/** The groups that this broker coordinates. Members live in memory: after a restart they find themselves unknown, and join again. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { ClassicGroup, type MemberClaim, type SyncRequest } from './classic-group.ts'
import type { CommittedOffsets } from './committed-offsets.ts'
import { joinError, syncError, type JoinAnswer, type JoinRequest, type SyncAnswer } from './member.ts'

export interface GroupSummary {
  readonly groupId: string
  readonly state: string
  readonly protocolType: string
}

/** Kafka's own limit for the time in which a member must give a sign of life. */
const MAX_SESSION_TIMEOUT_MS = 1_800_000

export class Groups {
  readonly #offsets: CommittedOffsets
  readonly #newId: () => string
  readonly #groups = new Map<string, ClassicGroup>()

  constructor (offsets: CommittedOffsets, newId: () => string) {
    this.#offsets = offsets
    this.#newId = newId
  }

  get (groupId: string): ClassicGroup | null {
    return this.#groups.get(groupId) ?? null
  }

  /** Groups with members, and those of which there are but offsets. */
  get all (): GroupSummary[] {
    const ids = new Set([...this.#groups.keys(), ...this.#offsets.groupIds])
    return [...ids].sort().map(groupId => {
      const group = this.get(groupId)
      return { groupId, state: group?.state ?? 'Empty', protocolType: group?.protocolType ?? '' }
    })
  }

  exists (groupId: string): boolean {
    return this.#groups.has(groupId) || this.#offsets.has(groupId)
  }

  async join (groupId: string, request: JoinRequest): Promise<JoinAnswer> {
    if (groupId === '') return joinError(ErrorCodes.INVALID_GROUP_ID, request.memberId)
    // Kafka's floor of 6 s is left out: a test of a lost member would have to wait that long.
    if (request.sessionTimeoutMs <= 0 || request.sessionTimeoutMs > MAX_SESSION_TIMEOUT_MS) return joinError(ErrorCodes.INVALID_SESSION_TIMEOUT, request.memberId)
    let group = this.#groups.get(groupId)
    if (group === undefined) {
      if (request.memberId !== '') return joinError(ErrorCodes.UNKNOWN_MEMBER_ID, request.memberId)
      this.#groups.set(groupId, group = new ClassicGroup(groupId, this.#newId))
    }
    return await group.join(request)
  }

  async sync (groupId: string, request: SyncRequest): Promise<SyncAnswer> {
    if (groupId === '') return syncError(ErrorCodes.INVALID_GROUP_ID)
    return await this.#groups.get(groupId)?.sync(request) ?? syncError(ErrorCodes.UNKNOWN_MEMBER_ID)
  }

  heartbeat (groupId: string, claim: MemberClaim, generationId: number): number {
    if (groupId === '') return ErrorCodes.INVALID_GROUP_ID
    return this.#groups.get(groupId)?.heartbeat(claim, generationId) ?? ErrorCodes.UNKNOWN_MEMBER_ID
  }

  leave (groupId: string, claim: MemberClaim): number {
    return this.#groups.get(groupId)?.leave(claim) ?? ErrorCodes.UNKNOWN_MEMBER_ID
  }

  checkCommit (groupId: string, claim: MemberClaim, generationId: number): number {
    if (groupId === '') return ErrorCodes.INVALID_GROUP_ID
    const group = this.#groups.get(groupId)
    if (group !== undefined) return group.checkCommit(claim, generationId)
    return generationId < 0 ? ErrorCodes.NONE : ErrorCodes.ILLEGAL_GENERATION
  }

  delete (groupId: string): number {
    if (groupId === '') return ErrorCodes.INVALID_GROUP_ID
    if (!this.exists(groupId)) return ErrorCodes.GROUP_ID_NOT_FOUND
    const group = this.#groups.get(groupId)
    if (group !== undefined && !group.isVacant) return ErrorCodes.NON_EMPTY_GROUP
    group?.die()
    this.#groups.delete(groupId)
    this.#offsets.removeGroup(groupId)
    return ErrorCodes.NONE
  }

  /** Forgets groups that nobody is a member of and nothing was committed in. */
  removeVacant (): void {
    for (const [groupId, group] of this.#groups) {
      if (!group.isVacant || group.state !== 'Empty' || this.#offsets.has(groupId)) continue
      group.die()
      this.#groups.delete(groupId)
    }
  }

  close (): void {
    for (const group of this.#groups.values()) group.die()
    this.#groups.clear()
  }
}
