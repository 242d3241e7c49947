/**
 * Which brokers of the shadow cluster are engines, and which engine is which. It lives in the state topic: whichever engine leads
 * goes on as one of them, and sidecars know that they are no real brokers. The engine that leads gives the others theirs, so that
 * they can be replicas, too.
 */
import { randomBytes } from 'node:crypto'
import { nodeIds, type NodeIdRange } from '../../../config/node-ids.ts'
import { ShadowError } from '../../../errors.ts'
import type { MetadataImage } from '../../../kraft/metadata/metadata-image.ts'
import type { ShadowLeaderRecord, StateChange } from '../../../state/records.ts'
import type { StateFollower } from '../../../state/state-follower.ts'
import { eligibleLeaders } from './partition-entry.ts'

/** An engine that may be a broker of the shadow cluster. */
export interface EnginePlace {
  /** Of one process. */
  readonly instance: string
  /** Where the other brokers reach it, `host:port`. */
  readonly address: string
}

export interface ShadowIdentitiesOptions {
  readonly state: Pick<StateFollower, 'state' | 'reached'>
  /** Returns the offset after what it wrote. */
  readonly write: (changes: readonly StateChange[]) => Promise<number>
  readonly ranges: readonly NodeIdRange[]
  /** This engine. */
  readonly self: EnginePlace
  readonly wallClock: () => Date
}

/** Of an identity that was taken from the engine that had it: nobody speaks for that broker any more. */
const NOBODY = ''

/**
 * The identities in the state topic. Whoever changes them goes on when the change can be read: a removal that was written and not
 * yet read would be taken for a record that is there, and a broker be led with that nobody knows of.
 */
export class ShadowIdentities {
  readonly #options: ShadowIdentitiesOptions
  #known: ReadonlyMap<number, ShadowLeaderRecord> = new Map<number, never>()

  constructor (options: ShadowIdentitiesOptions) {
    this.#options = options
  }

  /** By broker id, as far as the state has been read; while it is read anew, what was known last: none of them becomes a real broker by that. */
  get known (): ReadonlyMap<number, ShadowLeaderRecord> {
    this.#known = this.#options.state.state?.shadowLeaders ?? this.#known
    return this.#known
  }

  /** Every id that is no real broker, as far as the state has been read. */
  get ids (): ReadonlySet<number> {
    return new Set(this.known.keys())
  }

  /**
   * Which broker this engine is while it leads. Recorded before it is used: see `ShadowLeaderRecord.instance`.
   * @throws {ShadowError} CONFLICT when every id is somebody else's; ABORTED
   */
  async identify (image: MetadataImage, signal: AbortSignal): Promise<{ readonly identity: ShadowLeaderRecord, readonly isNew: boolean }> {
    const { state, ranges, self, wallClock } = this.#options
    const known = (await state.reached(0, signal)).shadowLeaders
    const identity = chooseIdentity(known, image, { ranges, self, now: wallClock() })
    const isNew = !known.has(identity.brokerId)
    await this.#record([identity], signal)
    return { identity, isNew }
  }

  /** This engine speaks for the broker from now on, whoever did before. @throws {ShadowError} ABORTED */
  async inherit (identity: ShadowLeaderRecord, signal: AbortSignal): Promise<ShadowLeaderRecord> {
    const inherited = { ...identity, instance: this.#options.self.instance }
    await this.#record([inherited], signal)
    return inherited
  }

  /**
   * Gives each of these engines, which stand by, a broker to be. `leading`: the ids that are in use here.
   * @throws {ShadowError} CONFLICT when there are not enough ids; ABORTED
   */
  async seat (engines: readonly EnginePlace[], { image, leading, signal }: { readonly image: MetadataImage, readonly leading: ReadonlySet<number>, readonly signal: AbortSignal }): Promise<void> {
    const { ranges, self, wallClock } = this.#options
    await this.#record(chooseSeats(engines.filter(({ address }) => address !== self.address), { known: this.known, image, ranges, leading, now: wallClock() }), signal)
  }

  /**
   * A broker that no engine is, not registered and in no replicas: one that was meant for it before, or a new one. Recorded before it is used.
   * @throws {ShadowError} CONFLICT when there is no id left; ABORTED
   */
  async spare (image: MetadataImage, signal: AbortSignal): Promise<ShadowLeaderRecord> {
    const { ranges, wallClock } = this.#options
    const held = heldIds(image)
    const left = [...this.known.values()].find(({ brokerId, instance }) => instance === NOBODY && !image.brokers.has(brokerId) && !held.has(brokerId))
    const spare = left ?? { ...newIdentity(freeIds(this.known, image, ranges), wallClock()), instance: NOBODY }
    await this.#record([spare], signal)
    return spare
  }

  /** Nobody speaks for these brokers any more: a process that does stops to. */
  async vacate (ids: readonly number[], signal: AbortSignal): Promise<void> {
    await this.#record(ids.flatMap(id => this.known.get(id) ?? []).map(record => ({ ...record, instance: NOBODY })), signal)
  }

  /** Removes these; resolves when no reader of this process's state has them any more. */
  async forget (ids: readonly number[], signal: AbortSignal): Promise<void> {
    const { state, write } = this.#options
    if (ids.length > 0) await state.reached(await write(ids.map(brokerId => ({ kind: 'shadow-leader', brokerId, value: null }))), signal)
  }

  async #record (records: readonly ShadowLeaderRecord[], signal: AbortSignal): Promise<void> {
    const { state, write } = this.#options
    const changed = records.filter(record => {
      const known = this.known.get(record.brokerId)
      return known?.incarnationId !== record.incarnationId || known.instance !== record.instance || known.address !== record.address
    })
    if (changed.length > 0) await state.reached(await write(changed.map(value => ({ kind: 'shadow-leader', brokerId: value.brokerId, value }))), signal)
  }
}

interface Choice {
  readonly ranges: readonly NodeIdRange[]
  readonly now: Date
}

/**
 * Which broker an engine that leads is: the one that it is already, if it is alive; else the one that has most of the partitions in
 * hand; or a new one with the first id that nobody has.
 * @throws {ShadowError} CONFLICT when every id of the ranges is somebody else's
 */
export function chooseIdentity (known: ReadonlyMap<number, ShadowLeaderRecord>, image: MetadataImage, { ranges, self, now }: Choice & { readonly self: EnginePlace }): ShadowLeaderRecord {
  const ours = [...nodeIds(ranges)].flatMap(id => known.get(id) ?? []).filter(record => isOurs(record, image))
  const alive = ours.find(({ brokerId, instance }) => instance === self.instance && image.brokers.get(brokerId)?.fenced === false)
  const held = countHeld(image)
  const rank = ({ brokerId, instance, address }: ShadowLeaderRecord): number => (held.get(brokerId) ?? 0) * 4 + (instance === self.instance ? 2 : 0) + (address === self.address ? 1 : 0)
  const [best] = [...ours].sort((a, b) => rank(b) - rank(a))
  return { ...(alive ?? best ?? newIdentity(freeIds(known, image, ranges), now)), ...self }
}

/** @throws {ShadowError} CONFLICT when every id of the ranges is somebody else's */
function chooseSeats (engines: readonly EnginePlace[], { known, image, ranges, leading, now }: Choice & { readonly known: ReadonlyMap<number, ShadowLeaderRecord>, readonly image: MetadataImage, readonly leading: ReadonlySet<number> }): ShadowLeaderRecord[] {
  const ids = new Set(nodeIds(ranges))
  const free = freeIds(known, image, ranges)
  const instances = new Set(engines.map(({ instance }) => instance))
  const vacant = [...known.values()].filter(record => ids.has(record.brokerId) && !leading.has(record.brokerId) && isOurs(record, image))
  const seats: ShadowLeaderRecord[] = []
  for (const engine of engines) {
    // Two that say the same address would be one broker in two places.
    if (engines.some(other => other !== engine && other.address === engine.address)) continue
    const isUsable = ({ brokerId, instance }: ShadowLeaderRecord): boolean => !seats.some(seat => seat.brokerId === brokerId) && (instance === null || !instances.has(instance) || instance === engine.instance)
    const record = vacant.find(one => isUsable(one) && one.instance === engine.instance) ??
      vacant.find(one => isUsable(one) && one.address === engine.address) ??
      // Who had it is not among the engines any more, and the cluster has noticed.
      vacant.find(one => isUsable(one) && image.brokers.get(one.brokerId)?.fenced !== false) ??
      newIdentity(free, now)
    seats.push({ ...record, ...engine })
  }
  return seats
}

/** False for an id that somebody else has registered. */
function isOurs ({ brokerId, incarnationId }: ShadowLeaderRecord, image: MetadataImage): boolean {
  const registered = image.brokers.get(brokerId)
  return registered === undefined || registered.incarnationId === incarnationId
}

/** By broker id: how many partitions it may lead. */
function countHeld ({ topics }: MetadataImage): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const { partitions } of topics.values()) for (const entry of partitions.values()) for (const id of eligibleLeaders(entry)) counts.set(id, (counts.get(id) ?? 0) + 1)
  return counts
}

/** The ids that nobody has; it ends with an error that says so. */
function * freeIds (known: ReadonlyMap<number, ShadowLeaderRecord>, image: MetadataImage, ranges: readonly NodeIdRange[]): Generator<number, never> {
  const ids = [...nodeIds(ranges)]
  const held = heldIds(image)
  for (const id of ids) if (!image.brokers.has(id) && !known.has(id) && !held.has(id)) yield id
  throw new ShadowError('CONFLICT', `every broker id of shadow_leader.broker_ids (${ids[0] ?? ''} to ${ids.at(-1) ?? ''}) is taken in the shadow cluster`, { retriable: true })
}

/** An id that is not registered may still stand in the replicas of a partition. */
function heldIds ({ topics }: MetadataImage): ReadonlySet<number> {
  const held = new Set<number>()
  for (const { partitions } of topics.values()) for (const { replicas } of partitions.values()) for (const id of replicas) held.add(id)
  return held
}

function newIdentity (free: Generator<number, never>, now: Date): ShadowLeaderRecord {
  return { brokerId: free.next().value, incarnationId: newUuid(), logDirId: newUuid(), since: now.toISOString(), address: null, instance: null }
}

/** In Kafka's text form. The first 100 are reserved for log directories that mean something else (DirectoryId.reserved). */
function newUuid (): string {
  const bytes = randomBytes(16)
  return bytes.subarray(0, 15).every(byte => byte === 0) ? newUuid() : bytes.toString('base64url')
}
