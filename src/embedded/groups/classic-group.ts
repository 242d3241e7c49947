/**
 * One classic group and its rounds of rebalancing (Kafka's ClassicGroup and GroupMetadataManager).
 *
 *              a member joins                     all have joined, or time is up
 *   Empty ───────────────────▶ PreparingRebalance ───────────────────────────▶ CompletingRebalance
 *     ▲                          ▲    │ nobody is left                            │           │
 *     └──────────────────────────┼────┘                                          │           │ the leader's assignments
 *                                │      a member joins, leaves, is lost          │           ▼
 *                                └───────────────────────────────────────────────┴──────── Stable
 *
 *   any ──▶ Dead     deleted, or the broker stops
 */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { joinError, metadataFor, NO_ASSIGNMENT, offersSame, syncError, type JoinAnswer, type JoinRequest, type Member, type SyncAnswer } from './member.ts'

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

export interface MemberClaim {
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface SyncRequest extends MemberClaim {
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignments: ReadonlyArray<{ readonly memberId: string, readonly assignment: Buffer }>
}

export class ClassicGroup {
  readonly groupId: string
  readonly #newId: () => string
  readonly #members = new Map<string, Member>()
  readonly #staticIds = new Map<string, string>()
  /** Ids that were given out and have not been joined with yet. */
  readonly #pending = new Map<string, NodeJS.Timeout>()
  /** Who has joined the present generation and not come for the assignment yet. */
  readonly #awaitedSyncs = new Set<string>()
  #state: GroupState = 'Empty'
  #generationId = 0
  #protocolType: string | null = null
  #protocolName: string | null = null
  #leaderId: string | null = null
  /** Ends the present step of a rebalance. */
  #stepTimer: NodeJS.Timeout | null = null

  /** `newId` makes the random part of member ids. */
  constructor (groupId: string, newId: () => string) {
    this.groupId = groupId
    this.#newId = newId
  }

  get state (): GroupState {
    return this.#state
  }

  get protocolType (): string | null {
    return this.#protocolType
  }

  get protocolName (): string | null {
    return this.#protocolName
  }

  get members (): readonly Member[] {
    return [...this.#members.values()]
  }

  /** True when nobody is a member or about to become one. */
  get isVacant (): boolean {
    return this.#members.size === 0 && this.#pending.size === 0
  }

  join (request: JoinRequest): Promise<JoinAnswer> {
    return new Promise(resolve => { this.#join(request, resolve) })
  }

  #join (request: JoinRequest, answer: (answer: JoinAnswer) => void): void {
    const { memberId, groupInstanceId } = request
    const fail = (errorCode: number): void => answer(joinError(errorCode, memberId))
    if (this.#state === 'Dead') { fail(ErrorCodes.COORDINATOR_NOT_AVAILABLE); return }
    if (!this.#supports(request)) { fail(ErrorCodes.INCONSISTENT_GROUP_PROTOCOL); return }
    if (memberId === '') { this.#joinNew(request, answer); return }
    const pending = this.#pending.get(memberId)
    if (pending !== undefined && groupInstanceId === null) {
      clearTimeout(pending)
      this.#pending.delete(memberId)
      this.#add(request, memberId, answer); return
    }
    const errorCode = this.#claimError(request)
    const member = this.#members.get(memberId)
    if (errorCode !== ErrorCodes.NONE || member === undefined) { fail(errorCode); return }
    const isUnchanged = offersSame(member.protocols, request.protocols)
    const isSettled = this.#state === 'CompletingRebalance' || (this.#state === 'Stable' && memberId !== this.#leaderId)
    if (isSettled && isUnchanged) { answer(this.#joinAnswer(member)); return }
    this.#update(member, request, answer)
    if (this.#state === 'PreparingRebalance') this.#completeJoinIfAllAreHere()
    else this.#prepareRebalance()
  }

  #joinNew (request: JoinRequest, answer: (answer: JoinAnswer) => void): void {
    const { groupInstanceId, clientId, sessionTimeoutMs } = request
    const memberId = `${groupInstanceId ?? clientId}-${this.#newId()}`
    if (groupInstanceId !== null) {
      const replaced = this.#members.get(this.#staticIds.get(groupInstanceId) ?? '')
      if (replaced === undefined) this.#add(request, memberId, answer)
      else this.#replaceStatic(replaced, memberId, request, answer)
    } else if (request.requiresKnownMemberId) {
      this.#pending.set(memberId, setTimeout(() => {
        this.#pending.delete(memberId)
        if (this.#state === 'PreparingRebalance') this.#completeJoinIfAllAreHere()
      }, sessionTimeoutMs))
      answer(joinError(ErrorCodes.MEMBER_ID_REQUIRED, memberId))
    } else {
      this.#add(request, memberId, answer)
    }
  }

  #add (request: JoinRequest, memberId: string, answer: (answer: JoinAnswer) => void): void {
    const { groupInstanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols } = request
    this.#members.set(memberId, { memberId, groupInstanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols, assignment: NO_ASSIGNMENT, joining: answer, syncing: null, session: null })
    if (groupInstanceId !== null) this.#staticIds.set(groupInstanceId, memberId)
    this.#protocolType = request.protocolType
    this.#leaderId ??= memberId
    if (this.#state === 'PreparingRebalance') this.#completeJoinIfAllAreHere()
    else this.#prepareRebalance()
  }

  /** A static member has come back with a new process: it goes on as the old one, which is fenced (KIP-345). */
  #replaceStatic (member: Member, memberId: string, request: JoinRequest, answer: (answer: JoinAnswer) => void): void {
    const oldId = member.memberId
    const wasLeader = this.#leaderId === oldId
    member.joining?.(joinError(ErrorCodes.FENCED_INSTANCE_ID, oldId))
    member.syncing?.(syncError(ErrorCodes.FENCED_INSTANCE_ID))
    member.joining = null
    member.syncing = null
    this.#members.delete(oldId)
    member.memberId = memberId
    this.#members.set(memberId, member)
    if (member.groupInstanceId !== null) this.#staticIds.set(member.groupInstanceId, memberId)
    if (wasLeader) this.#leaderId = memberId
    this.#update(member, request, answer)
    if (this.#state === 'Stable' && this.#chooseProtocol() === this.#protocolName) {
      member.joining = null
      this.#restartSession(member)
      // A client that cannot be told to skip the assignment is not told that it leads either.
      answer({ ...this.#joinAnswer(member), ...(wasLeader ? (request.canSkipAssignment ? { skipAssignment: true } : { leader: oldId, members: [] }) : {}) })
    } else if (this.#state === 'PreparingRebalance') {
      this.#completeJoinIfAllAreHere()
    } else {
      this.#prepareRebalance()
    }
  }

  #update (member: Member, { protocols, sessionTimeoutMs, rebalanceTimeoutMs, clientId, clientHost }: JoinRequest, answer: (answer: JoinAnswer) => void): void {
    // A client that asks again, on another connection, has given up waiting for the first answer.
    member.joining?.(joinError(ErrorCodes.REBALANCE_IN_PROGRESS, member.memberId))
    Object.assign(member, { protocols, sessionTimeoutMs, rebalanceTimeoutMs, clientId, clientHost, joining: answer })
    this.#stopSession(member)
  }

  sync (request: SyncRequest): Promise<SyncAnswer> {
    return new Promise(resolve => { this.#sync(request, resolve) })
  }

  #sync (request: SyncRequest, answer: (answer: SyncAnswer) => void): void {
    const errorCode = this.#claimError(request)
    const member = this.#members.get(request.memberId)
    if (errorCode !== ErrorCodes.NONE || member === undefined) { answer(syncError(errorCode)); return }
    if (request.generationId !== this.#generationId) { answer(syncError(ErrorCodes.ILLEGAL_GENERATION)); return }
    if ((request.protocolType !== null && request.protocolType !== this.#protocolType) || (request.protocolName !== null && request.protocolName !== this.#protocolName)) {
      answer(syncError(ErrorCodes.INCONSISTENT_GROUP_PROTOCOL)); return
    }
    if (this.#state === 'PreparingRebalance') { answer(syncError(ErrorCodes.REBALANCE_IN_PROGRESS)); return }
    this.#awaitedSyncs.delete(member.memberId)
    if (this.#awaitedSyncs.size === 0) this.#stopStep()
    if (this.#state === 'Stable') {
      this.#restartSession(member)
      answer(this.#syncAnswer(member)); return
    }
    member.syncing?.(syncError(ErrorCodes.REBALANCE_IN_PROGRESS))
    member.syncing = answer
    this.#stopSession(member)
    if (member.memberId === this.#leaderId) this.#takeAssignments(request.assignments)
  }

  #takeAssignments (assignments: SyncRequest['assignments']): void {
    // Copied: the frame that they came in is not kept for their sake.
    const byMember = new Map(assignments.map(({ memberId, assignment }) => [memberId, Buffer.from(assignment)]))
    this.#state = 'Stable'
    for (const member of this.#members.values()) {
      member.assignment = byMember.get(member.memberId) ?? NO_ASSIGNMENT
      const syncing = member.syncing
      if (syncing === null) continue
      member.syncing = null
      this.#restartSession(member)
      syncing(this.#syncAnswer(member))
    }
  }

  heartbeat (claim: MemberClaim, generationId: number): number {
    const errorCode = this.#claimError(claim)
    const member = this.#members.get(claim.memberId)
    if (errorCode !== ErrorCodes.NONE || member === undefined) return errorCode
    if (generationId !== this.#generationId) return ErrorCodes.ILLEGAL_GENERATION
    this.#restartSession(member)
    return this.#state === 'PreparingRebalance' ? ErrorCodes.REBALANCE_IN_PROGRESS : ErrorCodes.NONE
  }

  /** Whether a member, or someone who is in no group at all, may commit offsets. */
  checkCommit (claim: MemberClaim, generationId: number): number {
    if (this.#state === 'Dead') return ErrorCodes.COORDINATOR_NOT_AVAILABLE
    if (generationId < 0 && this.#members.size === 0) return ErrorCodes.NONE
    const errorCode = this.#claimError(claim)
    const member = this.#members.get(claim.memberId)
    if (errorCode !== ErrorCodes.NONE || member === undefined) return errorCode
    if (generationId !== this.#generationId) return ErrorCodes.ILLEGAL_GENERATION
    if (this.#state === 'CompletingRebalance') return ErrorCodes.REBALANCE_IN_PROGRESS
    this.#restartSession(member)
    return ErrorCodes.NONE
  }

  leave ({ memberId, groupInstanceId }: MemberClaim): number {
    if (this.#state === 'Dead') return ErrorCodes.COORDINATOR_NOT_AVAILABLE
    const staticId = groupInstanceId === null ? undefined : this.#staticIds.get(groupInstanceId)
    if (groupInstanceId !== null && staticId === undefined) return ErrorCodes.UNKNOWN_MEMBER_ID
    // An operator removes a static member by its instance id alone.
    const leaving = memberId === '' ? staticId ?? '' : memberId
    if (staticId !== undefined && staticId !== leaving) return ErrorCodes.FENCED_INSTANCE_ID
    const pending = this.#pending.get(leaving)
    if (pending !== undefined) {
      clearTimeout(pending)
      this.#pending.delete(leaving)
      if (this.#state === 'PreparingRebalance') this.#completeJoinIfAllAreHere()
      return ErrorCodes.NONE
    }
    const member = this.#members.get(leaving)
    if (member === undefined) return ErrorCodes.UNKNOWN_MEMBER_ID
    this.#lose(member)
    return ErrorCodes.NONE
  }

  /** Ends it all: everyone who waits is told that the coordinator is gone. */
  die (): void {
    this.#state = 'Dead'
    this.#stopStep()
    for (const timer of this.#pending.values()) clearTimeout(timer)
    this.#pending.clear()
    for (const member of this.#members.values()) {
      this.#stopSession(member)
      member.joining?.(joinError(ErrorCodes.COORDINATOR_NOT_AVAILABLE, member.memberId))
      member.syncing?.(syncError(ErrorCodes.COORDINATOR_NOT_AVAILABLE))
    }
    this.#members.clear()
    this.#staticIds.clear()
  }

  /** NONE when there is such a member and no other has taken its place. */
  #claimError ({ memberId, groupInstanceId }: MemberClaim): number {
    if (this.#state === 'Dead') return ErrorCodes.COORDINATOR_NOT_AVAILABLE
    if (groupInstanceId !== null) {
      const current = this.#staticIds.get(groupInstanceId)
      if (current === undefined) return ErrorCodes.UNKNOWN_MEMBER_ID
      if (current !== memberId) return ErrorCodes.FENCED_INSTANCE_ID
    }
    return this.#members.has(memberId) ? ErrorCodes.NONE : ErrorCodes.UNKNOWN_MEMBER_ID
  }

  #supports ({ memberId, protocolType, protocols }: JoinRequest): boolean {
    if (protocolType === '' || protocols.length === 0) return false
    const others = this.members.filter(member => member.memberId !== memberId)
    if (others.length === 0) return true
    return protocolType === this.#protocolType && protocols.some(({ name }) => others.every(other => other.protocols.some(offered => offered.name === name)))
  }

  #prepareRebalance (): void {
    // Those who wait for assignments of the round before must join again.
    for (const member of this.#members.values()) {
      const syncing = member.syncing
      if (syncing === null) continue
      member.syncing = null
      this.#restartSession(member)
      syncing(syncError(ErrorCodes.REBALANCE_IN_PROGRESS))
    }
    this.#state = 'PreparingRebalance'
    this.#awaitedSyncs.clear()
    this.#startStep(() => this.#completeJoin())
    this.#completeJoinIfAllAreHere()
  }

  #completeJoinIfAllAreHere (): void {
    if (this.#pending.size === 0 && this.members.every(({ joining }) => joining !== null)) this.#completeJoin()
  }

  #completeJoin (): void {
    this.#stopStep()
    for (const member of this.members) if (member.joining === null && member.groupInstanceId === null) this.#remove(member)
    if (this.#members.size === 0) { this.#becomeEmpty(); return }
    const here = this.members.filter(({ joining }) => joining !== null)
    if (here.length === 0) {
      // Only static members that are away: they keep their places until their sessions end.
      this.#startStep(() => this.#completeJoin())
      return
    }
    if (!here.some(({ memberId }) => memberId === this.#leaderId)) this.#leaderId = here[0]?.memberId ?? null
    this.#generationId++
    this.#protocolName = this.#chooseProtocol()
    this.#state = 'CompletingRebalance'
    this.#awaitedSyncs.clear()
    for (const { memberId } of this.members) this.#awaitedSyncs.add(memberId)
    this.#startStep(() => this.#loseThoseWithoutSync())
    for (const member of here) {
      const joining = member.joining
      member.joining = null
      this.#restartSession(member)
      joining?.(this.#joinAnswer(member))
    }
  }

  /** The protocol that most members like best among those that all of them know. */
  #chooseProtocol (): string | null {
    const all = this.members
    const votes = new Map<string, number>()
    for (const { protocols } of all) {
      const choice = protocols.find(({ name }) => all.every(other => other.protocols.some(offered => offered.name === name)))
      if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1)
    }
    return [...votes].reduce<readonly [string, number] | null>((best, vote) => best === null || vote[1] > best[1] ? vote : best, null)?.[0] ?? null
  }

  /** Members that joined and never came for their assignment are gone. */
  #loseThoseWithoutSync (): void {
    const missing = this.members.filter(({ memberId }) => this.#awaitedSyncs.has(memberId))
    for (const member of missing) this.#remove(member)
    if (missing.length > 0) this.#prepareRebalance()
  }

  #lose (member: Member): void {
    this.#remove(member)
    if (this.#state === 'Stable' || this.#state === 'CompletingRebalance') this.#prepareRebalance()
    else if (this.#state === 'PreparingRebalance') this.#completeJoinIfAllAreHere()
  }

  #remove (member: Member): void {
    this.#stopSession(member)
    member.joining?.(joinError(ErrorCodes.UNKNOWN_MEMBER_ID, ''))
    member.syncing?.(syncError(ErrorCodes.UNKNOWN_MEMBER_ID))
    this.#members.delete(member.memberId)
    this.#awaitedSyncs.delete(member.memberId)
    if (member.groupInstanceId !== null) this.#staticIds.delete(member.groupInstanceId)
    if (this.#leaderId === member.memberId) this.#leaderId = this.#members.keys().next().value ?? null
  }

  #becomeEmpty (): void {
    this.#state = 'Empty'
    this.#generationId++
    this.#protocolName = null
    this.#leaderId = null
  }

  #joinAnswer (member: Member): JoinAnswer {
    const members = member.memberId !== this.#leaderId
      ? []
      : this.members.map(other => ({ memberId: other.memberId, groupInstanceId: other.groupInstanceId, metadata: metadataFor(other, this.#protocolName) }))
    return {
      errorCode: ErrorCodes.NONE,
      memberId: member.memberId,
      generationId: this.#generationId,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      leader: this.#leaderId ?? '',
      skipAssignment: false,
      members
    }
  }

  #syncAnswer ({ assignment }: Member): SyncAnswer {
    return { errorCode: ErrorCodes.NONE, protocolType: this.#protocolType, protocolName: this.#protocolName, assignment }
  }

  #restartSession (member: Member): void {
    this.#stopSession(member)
    if (member.joining !== null || member.syncing !== null) return
    member.session = setTimeout(() => this.#lose(member), member.sessionTimeoutMs)
  }

  /** Whoever waits for an answer of ours is alive. */
  #stopSession (member: Member): void {
    if (member.session !== null) clearTimeout(member.session)
    member.session = null
  }

  #startStep (onTimeout: () => void): void {
    this.#stopStep()
    this.#stepTimer = setTimeout(onTimeout, this.members.reduce((longest, { rebalanceTimeoutMs }) => Math.max(longest, rebalanceTimeoutMs), 0))
  }

  #stopStep (): void {
    if (this.#stepTimer !== null) clearTimeout(this.#stepTimer)
    this.#stepTimer = null
  }
}
