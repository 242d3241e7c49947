/** Who the shadow leader is to the controller. It lives in the state topic, so that whichever engine leads goes on as the same broker. */
import { randomBytes } from 'node:crypto'
import { nodeIds, type NodeIdRange } from '../../../config/node-ids.ts'
import { ShadowError } from '../../../errors.ts'
import type { MetadataImage } from '../../../kraft/metadata/metadata-image.ts'
import type { ShadowLeaderRecord } from '../../../state/records.ts'

/**
 * The identity that is there already and still ours, or a new one with the first id that nobody has.
 * @throws {ShadowError} CONFLICT when every id of the ranges is somebody else's
 */
export function chooseIdentity (known: ReadonlyMap<number, ShadowLeaderRecord>, image: MetadataImage, ranges: readonly NodeIdRange[], now: Date): ShadowLeaderRecord {
  const ids = [...nodeIds(ranges)]
  for (const id of ids) {
    const record = known.get(id)
    const registered = image.brokers.get(id)
    if (record !== undefined && (registered === undefined || registered.incarnationId === record.incarnationId)) return record
  }
  const held = new Set<number>()
  // An id that is not registered may still stand in the replicas of a partition.
  for (const { partitions } of image.topics.values()) for (const { replicas } of partitions.values()) for (const id of replicas) held.add(id)
  const free = ids.find(id => !image.brokers.has(id) && !known.has(id) && !held.has(id))
  if (free === undefined) throw new ShadowError('CONFLICT', `every broker id of shadow_leader.broker_ids (${ids[0] ?? ''} to ${ids.at(-1) ?? ''}) is taken in the shadow cluster`, { retriable: true })
  return { brokerId: free, incarnationId: newUuid(), logDirId: newUuid(), since: now.toISOString() }
}

/** In Kafka's text form. The first 100 are reserved for log directories that mean something else (DirectoryId.reserved). */
function newUuid (): string {
  const bytes = randomBytes(16)
  return bytes.subarray(0, 15).every(byte => byte === 0) ? newUuid() : bytes.toString('base64url')
}
