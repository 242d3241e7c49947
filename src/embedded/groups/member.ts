/** A member of a classic group, and what it is told. */
export interface GroupProtocol {
  readonly name: string
  readonly metadata: Buffer
}

export interface JoinAnswer {
  readonly errorCode: number
  readonly memberId: string
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  /** For the leader, everyone with what they offered for the chosen protocol. */
  readonly members: ReadonlyArray<{ readonly memberId: string, readonly groupInstanceId: string | null, readonly metadata: Buffer }>
}

export interface SyncAnswer {
  readonly errorCode: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Buffer
}

export interface Member {
  memberId: string
  readonly groupInstanceId: string | null
  clientId: string
  clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocols: readonly GroupProtocol[]
  assignment: Buffer
  /** Set while a JoinGroup waits for the others. */
  joining: ((answer: JoinAnswer) => void) | null
  /** Set while a SyncGroup waits for the leader. */
  syncing: ((answer: SyncAnswer) => void) | null
  /** Ends the membership when no sign of life came in time. */
  session: NodeJS.Timeout | null
}

export interface JoinRequest {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly GroupProtocol[]
  /** The version of JoinGroup demands that a member comes back with the id that it is given (KIP-394). */
  readonly requiresKnownMemberId: boolean
  /** The version of JoinGroup can tell a leader that nothing is to be assigned (KIP-814). */
  readonly canSkipAssignment: boolean
}

export const NO_ASSIGNMENT = Buffer.alloc(0)

export function joinError (errorCode: number, memberId: string): JoinAnswer {
  return { errorCode, memberId, generationId: -1, protocolType: null, protocolName: null, leader: '', skipAssignment: false, members: [] }
}

export function syncError (errorCode: number): SyncAnswer {
  return { errorCode, protocolType: null, protocolName: null, assignment: NO_ASSIGNMENT }
}

export function offersSame (a: readonly GroupProtocol[], b: readonly GroupProtocol[]): boolean {
  return a.length === b.length && a.every(({ name, metadata }, index) => b[index]?.name === name && b[index].metadata.equals(metadata))
}

/** The metadata that a member offered for a protocol. */
export function metadataFor (member: Member, protocolName: string | null): Buffer {
  return member.protocols.find(({ name }) => name === protocolName)?.metadata ?? NO_ASSIGNMENT
}
