/** What stands for groups and positions in the record of a link's claims. Both are part of that record's form. */
import { createHash } from 'node:crypto'
import { crc32c } from '../../../../../protocol/records/crc32c.ts'
import type { GroupPosition } from '../../../../client/admin/group-offsets.ts'

const SHARDS = 256
/** In base64: 72 bits. */
const DIGEST_LENGTH = 12

/** The record that a group is in: [0, 255]. */
export function shardOf (groupId: string): number {
  return crc32c(Buffer.from(groupId)) % SHARDS
}

/** A position with all that tells it from another. It has neither blanks nor colons. */
export function digestOf (groupId: string, { topic, partition, offset, leaderEpoch, metadata }: GroupPosition): string {
  return createHash('sha256').update(JSON.stringify([groupId, topic, partition, offset, leaderEpoch, metadata])).digest('base64').slice(0, DIGEST_LENGTH)
}
