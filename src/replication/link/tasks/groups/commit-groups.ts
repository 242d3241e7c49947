/**
 * Commits positions on the shadow: a few groups at a time, and never for a topic whose failover began. What looks at the topics
 * and what sends is one turn of the event loop, and the opening of a topic waits for what was sent before.
 */
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { commitGroupOffsets, positionKey, type GroupPosition } from '../../../../client/admin/group-offsets.ts'
import type { Cluster } from '../../../../client/cluster.ts'
import type { Coordinators } from '../../../../client/group/coordinators.ts'
import { BrokerError, ShadowError } from '../../../../errors.ts'
import { throwIfAborted } from '../../../../net/abort.ts'
import { assertLeads } from '../../../may-lead.ts'
import type { ShadowTopic } from '../../shadow-topic.ts'
import type { GroupLedger } from './group-ledger.ts'

/** Connections to each coordinator, which works on one request of each at a time. */
const LANES = 4
/** Of the records that a coordinator appends for one request; its limit is one batch, 1 MiB by default. */
const MOST_COMMIT_BYTES = 256 * 1024
const RECORD_OVERHEAD_BYTES = 100

export interface GroupCommit {
  readonly groupId: string
  /** The link's own values. */
  readonly commits: readonly GroupPosition[]
  /** What the shadow holds, as it is. */
  readonly renewals: readonly GroupPosition[]
}

export interface CommittedGroup {
  readonly groupId: string
  /** The coordinator refuses it because the group has members on the shadow. */
  readonly isLive: boolean
  /** What could not be committed. */
  readonly error: Error | null
  /** Committed without their metadata, which is longer than the shadow takes. */
  readonly withoutMetadata: readonly GroupPosition[]
}

export interface CommitterOptions {
  readonly shadow: Cluster
  readonly coordinators: Coordinators
  readonly ledger: GroupLedger
  readonly signal: AbortSignal
  /** False when another engine may lead by now. */
  readonly isLeading: () => boolean
  readonly now: () => number
  /** The shadow does not take metadata of this length. */
  readonly onRefusedMetadata: (length: number) => void
}

interface SendOutcome {
  /** What went wrong. */
  readonly failure: Error | null
  /** Positions of the link that were refused because of their metadata, and nothing else. */
  readonly tooLarge: readonly GroupPosition[]
}

/** What a coordinator answers to somebody who is no member of a group that has some. */
const MEANS_LIVE: ReadonlySet<number> = new Set<number>([
  ErrorCodes.UNKNOWN_MEMBER_ID, ErrorCodes.ILLEGAL_GENERATION, ErrorCodes.REBALANCE_IN_PROGRESS, ErrorCodes.STALE_MEMBER_EPOCH, ErrorCodes.FENCED_MEMBER_EPOCH
])

/** Codes that a coordinator also answers when its log has the records and it cannot wait until its followers have them. */
const AMBIGUOUS: ReadonlySet<number> = new Set<number>([
  ErrorCodes.REQUEST_TIMED_OUT, ErrorCodes.UNKNOWN_SERVER_ERROR, ErrorCodes.COORDINATOR_NOT_AVAILABLE, ErrorCodes.NOT_COORDINATOR
])

export class GroupCommitter {
  readonly #options: CommitterOptions

  constructor (options: CommitterOptions) {
    this.#options = options
  }

  /**
   * `topicFor` is asked at the very moment of sending: null for a topic that nothing may be committed for.
   * @throws {ShadowError} ABORTED
   */
  async commit (groups: readonly GroupCommit[], topicFor: (topic: string) => ShadowTopic | null): Promise<CommittedGroup[]> {
    const waiting = groups.filter(({ commits, renewals }) => commits.length + renewals.length > 0)
    const outcomes: CommittedGroup[] = []
    await Promise.all(Array.from({ length: LANES }, async (_, lane) => {
      for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) outcomes.push(await this.#commitGroup(group, topicFor, lane))
    }))
    return outcomes
  }

  async #commitGroup ({ groupId, commits, renewals }: GroupCommit, topicFor: (topic: string) => ShadowTopic | null, lane: number): Promise<CommittedGroup> {
    const own = new Set(commits)
    const withoutMetadata: GroupPosition[] = []
    let isLive = false
    let error: Error | null = null
    const parts = [...partsOf(groupId, [...commits, ...renewals])]
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      throwIfAborted(this.#options.signal)
      const topics = new Map(part.map(({ topic }) => [topic, topicFor(topic)]))
      const positions = part.filter(({ topic }) => topics.get(topic) !== null)
      if (positions.length === 0) continue
      const sending: Promise<SendOutcome> = this.#send(groupId, positions, own, lane)
      for (const topic of topics.values()) if (topic !== null) topic.exclusively(() => sending).catch(() => {})
      const { failure, tooLarge } = await sending
      const bare = tooLarge.map(position => ({ ...position, metadata: '' }))
      for (const position of bare) own.add(position)
      withoutMetadata.push(...bare)
      if (bare.length > 0) parts.unshift(bare)
      if (failure === null) continue
      if (MEANS_LIVE.has(failure instanceof BrokerError ? failure.wireCode : ErrorCodes.NONE)) isLive = true
      else error ??= failure
      break
    }
    return { groupId, isLive, error, withoutMetadata }
  }

  /** @throws {ShadowError} ABORTED */
  async #send (groupId: string, positions: readonly GroupPosition[], own: ReadonlySet<GroupPosition>, lane: number): Promise<SendOutcome> {
    const { shadow, coordinators, ledger, signal, isLeading, now, onRefusedMetadata } = this.#options
    ledger.sending(groupId, positions.filter(position => own.has(position)))
    const atMs = now()
    let codes: ReadonlyMap<string, number>
    try {
      codes = await commitGroupOffsets(shadow, coordinators, groupId, positions, { signal, lane, beforeSend: () => { assertLeads(isLeading) } })
    } catch (error) {
      throwIfAborted(signal)
      if (!(error instanceof Error)) throw error
      // Refused, or never sent: the value that was not taken is nobody's. With no answer at all, it may be there.
      const isRefused = error instanceof BrokerError ? !AMBIGUOUS.has(error.wireCode) : isUnsent(error)
      if (isRefused) for (const position of positions) if (own.has(position)) ledger.refused(groupId, position)
      return { failure: error, tooLarge: [] }
    }
    let failure: Error | null = null
    const tooLarge: GroupPosition[] = []
    for (const position of positions) {
      const code = codes.get(positionKey(position))
      if (code === ErrorCodes.NONE) {
        if (own.has(position)) ledger.committed(groupId, position, atMs)
        else ledger.renewed(groupId, position, atMs)
        continue
      }
      if (code === ErrorCodes.OFFSET_METADATA_TOO_LARGE && own.has(position) && position.metadata !== '') {
        ledger.refused(groupId, position)
        onRefusedMetadata(position.metadata.length)
        tooLarge.push(position)
        continue
      }
      const what = `OffsetCommit ${groupId} ${position.topic}-${position.partition}`
      failure ??= code === undefined ? new ShadowError('BROKER_ERROR', `${what}: the answer has no row for it`) : new BrokerError(code, what)
      if (code !== undefined && own.has(position) && !AMBIGUOUS.has(code)) ledger.refused(groupId, position)
    }
    return { failure, tooLarge }
  }
}

function isUnsent (error: Error): boolean {
  return error instanceof ShadowError && (error.code === 'CONNECT_FAILED' || error.details['sent'] === false)
}

/** As many positions as a coordinator appends in one batch. */
function * partsOf (groupId: string, positions: readonly GroupPosition[]): Generator<GroupPosition[]> {
  let part: GroupPosition[] = []
  let bytes = 0
  for (const position of positions) {
    const size = RECORD_OVERHEAD_BYTES + groupId.length + position.topic.length + Buffer.byteLength(position.metadata)
    if (bytes + size > MOST_COMMIT_BYTES && part.length > 0) {
      yield part
      part = []
      bytes = 0
    }
    part.push(position)
    bytes += size
  }
  if (part.length > 0) yield part
}
