/**
 * What becomes of groups and positions that the source does not have any more, where the link is to delete them: what it made and
 * nobody used. Missing means: in several answers in a row, each of them complete, and by the word of the coordinator itself.
 */
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { DEAD, describeClassicGroups } from '../../../../client/admin/describe-groups.ts'
import { deleteGroup, deleteGroupOffsets, fetchGroupOffsets, type GroupPosition } from '../../../../client/admin/group-offsets.ts'
import type { ListedGroup } from '../../../../client/admin/list-groups.ts'
import type { Cluster } from '../../../../client/cluster.ts'
import type { Coordinators } from '../../../../client/group/coordinators.ts'
import { isBrokerError } from '../../../../errors.ts'
import type { Logger } from '../../../../observability/logger.ts'
import { assertLeads } from '../../../may-lead.ts'
import type { ShadowTopic } from '../../shadow-topic.ts'
import type { GroupLedger } from './group-ledger.ts'
import { isLive } from './source-groups.ts'

const ANSWERS_OF_AN_ABSENCE = 3

export interface RemovalsOptions {
  readonly link: string
  readonly source: Cluster
  readonly shadow: Cluster
  readonly sourceCoordinators: Coordinators
  readonly shadowCoordinators: Coordinators
  readonly ledger: GroupLedger
  readonly signal: AbortSignal
  /** False when another engine may lead by now. */
  readonly isLeading: () => boolean
  readonly logger: Logger
}

/** See GroupCommitter.commit. */
type TopicFor = (topic: string) => ShadowTopic | null

export class GroupRemovals {
  readonly #options: RemovalsOptions
  /** How often in a row a group was missing. */
  readonly #missing = new Map<string, number>()

  constructor (options: RemovalsOptions) {
    this.#options = options
  }

  /**
   * `held` are positions of a group on the shadow that the source's answer about the group does not have.
   * @throws {ShadowError} what keeps a position from being removed
   */
  async positionsMissing (groupId: string, held: readonly GroupPosition[], topicFor: TopicFor): Promise<void> {
    const { source, shadow, sourceCoordinators, shadowCoordinators, ledger, signal, isLeading, logger, link } = this.#options
    const gone = held.filter(position => ledger.isOwn(groupId, position) && ledger.missing(groupId, position) >= ANSWERS_OF_AN_ABSENCE)
    if (gone.length === 0) return
    // Positions of a topic that we may not read are left out of an answer about everything, and refused by name.
    const answer = (await fetchGroupOffsets(source, sourceCoordinators, [groupId], { signal, partitions: gone })).get(groupId)
    if (answer instanceof Error) throw answer
    if (answer === undefined || answer.length > 0) return
    await guarded(gone, topicFor, async rows => {
      await tolerating(ErrorCodes.GROUP_SUBSCRIBED_TO_TOPIC, () => deleteGroupOffsets(shadow, shadowCoordinators, groupId, rows, { signal, beforeSend: () => { assertLeads(isLeading) } }))
      ledger.forget(groupId, rows)
      logger.info({ link, group: groupId, positions: rows.length }, `${rows.length} positions of group ${groupId} were deleted, as they were on the source`)
    })
  }

  /** A group is there. */
  found (groupId: string): void {
    this.#missing.delete(groupId)
  }

  /**
   * A group that the link has committed for is not in a complete listing of the source's. `listed` is the group on the shadow.
   * @throws {ShadowError} what keeps it from being removed
   */
  async groupMissing (groupId: string, listed: ListedGroup | undefined, topicFor: TopicFor): Promise<void> {
    const { source, shadow, sourceCoordinators, shadowCoordinators, ledger, signal, isLeading, logger, link } = this.#options
    const seen = (this.#missing.get(groupId) ?? 0) + 1
    this.#missing.set(groupId, seen)
    if (seen < ANSWERS_OF_AN_ABSENCE || listed === undefined || !isUnused(listed)) return
    // A group that we may not describe is left out of a listing, and refused by name.
    const described = (await describeClassicGroups(source, sourceCoordinators, [groupId], { signal })).get(groupId)
    if (described instanceof Error) throw described
    if (described?.state !== DEAD) return
    const held = (await fetchGroupOffsets(shadow, shadowCoordinators, [groupId], { signal })).get(groupId)
    if (held instanceof Error) throw held
    if (held === undefined || !held.every(position => topicFor(position.topic) !== null && ledger.isOwn(groupId, position))) return
    await guarded(held, topicFor, async rows => {
      if (rows.length < held.length) return
      await tolerating(ErrorCodes.NON_EMPTY_GROUP, () => deleteGroup(shadow, shadowCoordinators, groupId, { signal, beforeSend: () => { assertLeads(isLeading) } }))
      ledger.forget(groupId)
      this.#missing.delete(groupId)
      logger.info({ link, group: groupId }, `group ${groupId} was deleted, as it was on the source`)
    })
  }
}

/** Nobody was ever a member of it: only commits have made it. */
function isUnused (group: ListedGroup): boolean {
  return group.protocolType === '' && (group.type === '' || group.type === 'classic') && !isLive(group)
}

/** Does `work` for what may still be touched; the opening of a topic waits for it. */
async function guarded (positions: readonly GroupPosition[], topicFor: TopicFor, work: (rows: readonly GroupPosition[]) => Promise<void>): Promise<void> {
  const topics = new Map(positions.map(({ topic }) => [topic, topicFor(topic)]))
  const rows = positions.filter(({ topic }) => topics.get(topic) !== null)
  if (rows.length === 0) return
  const working = work(rows)
  for (const topic of topics.values()) if (topic !== null) topic.exclusively(() => working).catch(() => {})
  await working
}

/** An answer that only says that consumers were faster is none to be told. */
async function tolerating (code: number, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isBrokerError(error, code)) throw error
  }
}
