/** Who the shadow leader is to the controller. It lives in the state topic, so that whichever engine leads goes on as the same broker. */
import { randomBytes } from 'node:crypto'
import { nodeIds, type NodeIdRange } from '../../../config/node-ids.ts'
import { ShadowError } from '../../../errors.ts'
import type { MetadataImage } from '../../../kraft/metadata/metadata-image.ts'
import type { ShadowLeaderRecord, StateChange } from '../../../state/records.ts'
import type { StateFollower } from '../../../state/state-follower.ts'

export interface ShadowIdentitiesOptions {
  readonly state: Pick<StateFollower, 'state' | 'reached'>
  /** Returns the offset after what it wrote. */
  readonly write: (changes: readonly StateChange[]) => Promise<number>
  readonly ranges: readonly NodeIdRange[]
  readonly wallClock: () => Date
}

/**
 * The identities in the state topic. Whoever changes them goes on when the change can be read: a removal that was written and not
 * yet read would be taken for a record that is there, and a broker be led with that nobody knows of.
 */
export class ShadowIdentities {
  readonly #options: ShadowIdentitiesOptions

  constructor (options: ShadowIdentitiesOptions) {
    this.#options = options
  }

  /** Every id that is no real broker, as far as the state has been read. */
  get ids (): ReadonlySet<number> {
    return new Set(this.#options.state.state?.shadowLeaders.keys() ?? [])
  }

  /**
   * Recorded before it is used: sidecars must know that it is no real broker, and an engine that takes over who it is.
   * @throws {ShadowError} CONFLICT when every id is somebody else's; ABORTED
   */
  async identify (image: MetadataImage, signal: AbortSignal): Promise<{ readonly identity: ShadowLeaderRecord, readonly isNew: boolean }> {
    const { state, write, ranges, wallClock } = this.#options
    const known = (await state.reached(0, signal)).shadowLeaders
    const identity = chooseIdentity(known, image, ranges, wallClock())
    const isNew = !known.has(identity.brokerId)
    if (isNew) await state.reached(await write([{ kind: 'shadow-leader', brokerId: identity.brokerId, value: identity }]), signal)
    return { identity, isNew }
  }

  /** Removes these; resolves when no reader of this process's state has them any more. */
  async forget (ids: readonly number[], signal: AbortSignal): Promise<void> {
    const { state, write } = this.#options
    if (ids.length > 0) await state.reached(await write(ids.map(brokerId => ({ kind: 'shadow-leader', brokerId, value: null }))), signal)
  }
}

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
