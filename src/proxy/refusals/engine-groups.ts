/**
 * Keeps clients out of the groups of kafka-shadow itself. Engines elect the one that leads in such a group, and talk to the brokers
 * directly: a client that is a member of it, or changes it, could keep every engine from leading. To describe or list it harms nothing.
 */
import type { Reader } from '../../../protocol/buffer/reader.ts'
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { AddOffsetsToTxn } from '../../../protocol/messages/add-offsets-to-txn.ts'
import { ConsumerGroupHeartbeat } from '../../../protocol/messages/consumer-group-heartbeat.ts'
import { DeleteGroups } from '../../../protocol/messages/delete-groups.ts'
import { Heartbeat } from '../../../protocol/messages/heartbeat.ts'
import { JoinGroup } from '../../../protocol/messages/join-group.ts'
import { LeaveGroup } from '../../../protocol/messages/leave-group.ts'
import { OffsetCommit } from '../../../protocol/messages/offset-commit.ts'
import { OffsetDelete } from '../../../protocol/messages/offset-delete.ts'
import { SyncGroup } from '../../../protocol/messages/sync-group.ts'
import { TxnOffsetCommit } from '../../../protocol/messages/txn-offset-commit.ts'
import type { Api, RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { includesVersion } from '../../../protocol/schema/version-range.ts'
import { isProtectedGroup } from '../../config/link/name-filter.ts'
import { offer, type Offer } from '../offer.ts'
import { splitRows } from '../verdict.ts'

const errorCode = ErrorCodes.GROUP_AUTHORIZATION_FAILED
const NO_BYTES = Buffer.alloc(0)

type GroupAnswer = ResponseInput<typeof DeleteGroups>['results'][number]

/** The error is where a broker puts it that denies a client the group. */
export const GROUP_OFFERS: readonly Offer[] = [
  guarded(JoinGroup, (_, version) => ({ errorCode, protocolName: version >= 7 ? null : '', leader: '', memberId: '', members: [] })),
  guarded(SyncGroup, () => ({ errorCode, assignment: NO_BYTES })),
  guarded(LeaveGroup, () => ({ errorCode })),
  guarded(Heartbeat, () => ({ errorCode })),
  guarded(ConsumerGroupHeartbeat, () => ({ throttleTimeMs: 0, errorCode, memberEpoch: 0, heartbeatIntervalMs: 0 })),
  guarded(OffsetCommit, ({ topics }) => ({
    topics: topics.map(({ name, topicId, partitions }) => ({ name, topicId, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }))
  })),
  guarded(OffsetDelete, () => ({ errorCode, throttleTimeMs: 0, topics: [] })),
  guarded(TxnOffsetCommit, ({ topics }) => ({
    throttleTimeMs: 0,
    topics: topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }))
  }), (_, string) => { string() }),
  guarded(AddOffsetsToTxn, () => ({ throttleTimeMs: 0, errorCode }), (reader, string) => {
    string()
    reader.int64()
    reader.int16()
  }),
  offer(DeleteGroups, {
    judge: body => splitRows<typeof DeleteGroups, string, GroupAnswer>({
      rows: body.groupsNames,
      keyOf: groupId => groupId,
      refuse: groupId => isProtectedGroup(groupId) ? { groupId, errorCode } : null,
      request: groupsNames => ({ ...body, groupsNames }),
      answer: results => ({ throttleTimeMs: 0, results }),
      rowsOf: answer => answer.results,
      answeredKeyOf: row => row.groupId,
      merge: (answer, results) => ({ ...answer, results })
    })
  })
]

/**
 * An API whose requests are about one group, and are passed on unread behind its name unless the group is guarded. `skip` reads what stands before
 * the name; `string` is how this version writes one.
 */
function guarded<A extends Api> (api: A, refuse: (body: RequestOf<A>, version: number) => ResponseInput<A>, skip?: (reader: Reader, string: () => string) => void): Offer {
  return offer(api, {
    isJudged: () => false,
    peek (reader, version) {
      const string = includesVersion(api.request.flexible, version) ? () => reader.compactString() : () => reader.string()
      skip?.(reader, string)
      return isProtectedGroup(string())
    },
    judge: (body, { version }) => ({ kind: 'answer', body: refuse(body, version) })
  })
}
