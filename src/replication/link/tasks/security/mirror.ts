/**
 * Makes the shadow cluster have what the source has of one kind of thing (ACLs, quotas, users), and takes away only what the link has added.
 *
 *   wanted, not on the shadow  ──▶ entered in the ledger ──▶ added
 *   wanted, on the shadow, not in the ledger                 the shadow's own: left alone, whatever happens to it at the source
 *   wanted, in the ledger, gone or different on the shadow   set again
 *   in the ledger, no longer wanted ──▶ watched ──▶ removed ──▶ struck out of the ledger
 *
 * What cannot be known ends the run before anything is changed.
 */
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { BrokerError, messageOf, ShadowError } from '../../../../errors.ts'
import type { SecurityGrant } from '../../../../state/records.ts'
import type { MirrorCounts } from '../../../link-service.ts'
import { concernsAll } from './explain-refusal.ts'
import type { SecurityLedger } from './security-ledger.ts'
import { VanishedWatch } from './vanished.ts'

export interface MirrorItem {
  /** The same for the same thing, on both sides and in the ledger. */
  readonly id: string
}

export interface Wanted<T extends MirrorItem> {
  readonly items: ReadonlyMap<string, T>
  /** What of the source cannot be had on the shadow, one by one. */
  readonly problems: readonly string[]
}

/** What is done with one kind of thing. Every outcome is in the order of the items; null where all went well. */
export interface MirroredKind<T extends MirrorItem> {
  /** For the status: `ACLs`. */
  readonly name: string
  /** @throws when it is not known for certain, and whole */
  wanted (): Promise<Wanted<T>>
  /** What the shadow has, at least of these. @throws when it is not known for certain */
  present (items: readonly T[]): Promise<ReadonlyMap<string, T>>
  /** What the ledger has. */
  recorded (): T[]
  grantOf (item: T): SecurityGrant
  /** True when what the shadow has is what is wanted. */
  isLevel (wanted: T, present: T): boolean
  /** Adds or changes. */
  set (items: readonly T[]): Promise<ReadonlyArray<Error | null>>
  remove (items: readonly T[]): Promise<ReadonlyArray<Error | null>>
  /** Items of a lower rank are added before those of a higher one, and removed after them. */
  rank (item: T): number
  /** True when an item must wait, because another one of lower rank (higher, at removal) was refused. */
  waitsFor (item: T, refused: T): boolean
  /** True for an item that an older cluster may not know: it must not spoil a request for others. */
  isUnusual (item: T): boolean
  /** True when another link has added the same thing: both keep it, and the last of them removes it. */
  isShared (id: string): boolean
  format (item: T): string
  /** What the shadow has against all that is asked of it, with what to do about it. */
  explain (error: Error): Error
}

export interface MirrorHost {
  readonly ledger: SecurityLedger
  /** False from the moment on that another engine may lead. */
  readonly isLeading: () => boolean
  /** True once the link was failed over: its security is the shadow's then. */
  readonly isFailedOver: () => boolean
  readonly massDelayMs: () => number
  readonly now: () => number
}

export interface MirrorOutcome {
  readonly counts: MirrorCounts
  readonly problems: readonly string[]
}

const MOST_AT_ONCE = 500
/** A refusal is not asked for again before. */
const REFUSED_MS = 60_000

interface Refused {
  readonly untilMs: number
  readonly reason: string
}

export class Mirror<T extends MirrorItem> {
  readonly #kind: MirroredKind<T>
  readonly #host: MirrorHost
  readonly #vanished = new VanishedWatch()
  readonly #refused = new Map<string, Refused>()
  /** Until the first success a single item is tried: where nothing is allowed, little is written for nothing. */
  #hasSucceeded = false
  #created = 0
  #changed = 0
  #deleted = 0

  constructor (kind: MirroredKind<T>, host: MirrorHost) {
    this.#kind = kind
    this.#host = host
  }

  get name (): string {
    return this.#kind.name
  }

  #mayChange (): boolean {
    return this.#host.isLeading() && !this.#host.isFailedOver()
  }

  /** One run. @throws {ShadowError} when a cluster does not answer, or hides what it has: then nothing was changed */
  async run (): Promise<MirrorOutcome> {
    const { ledger, now, massDelayMs } = this.#host
    const { items: wanted, problems: unwanted } = await this.#kind.wanted()
    const recorded = this.#kind.recorded()
    const present = await this.#kind.present([...wanted.values(), ...recorded])
    const problems = [...unwanted]
    const { toSet, local } = await this.#compare(wanted, present)
    const refused = await this.#setAll(toSet, problems)
    const gone = recorded.filter(({ id }) => !wanted.has(id))
    const { due, waiting, heldForMs } = this.#vanished.note(gone.map(({ id }) => id), { all: recorded.length, nowMs: now(), massDelayMs: massDelayMs() })
    if (heldForMs !== null) {
      problems.push(`${this.#kind.name}: ${gone.length} of the ${recorded.length} that the link has added are gone at once on the source: they are removed from the shadow in ${Math.ceil(heldForMs / 1000)} s, unless they come back (mass_deletion_delay)`)
    }
    const isDue = new Set(due)
    await this.#removeAll(gone.filter(({ id }) => isDue.has(id)), present, { problems, mayChange: () => this.#mayChange() })
    return {
      problems,
      counts: {
        wanted: wanted.size,
        kept: [...wanted.keys()].filter(id => ledger.has(id)).length - refused,
        local,
        vanished: waiting,
        created: this.#created,
        changed: this.#changed,
        deleted: this.#deleted
      }
    }
  }

  /** Removes all that the link has added of this kind, also after its failover. @throws when something could not be removed */
  async removeAdded (): Promise<void> {
    const recorded = this.#kind.recorded()
    const problems: string[] = []
    if (recorded.length > 0) await this.#removeAll(recorded, await this.#kind.present(recorded), { problems, mayChange: this.#host.isLeading })
    const [problem] = problems
    if (problem !== undefined) throw new ShadowError('CONFLICT', problem)
  }

  async #compare (wanted: ReadonlyMap<string, T>, present: ReadonlyMap<string, T>): Promise<{ readonly toSet: T[], readonly local: number }> {
    const { ledger } = this.#host
    const toSet: T[] = []
    const shared: T[] = []
    let local = 0
    for (const [id, item] of wanted) {
      const there = present.get(id)
      if (!ledger.has(id)) {
        if (there === undefined) toSet.push(item)
        else if (this.#kind.isShared(id)) shared.push(item)
        else local++
      } else if (there === undefined || !this.#kind.isLevel(item, there)) toSet.push(item)
    }
    if (this.#mayChange()) await this.#enter(shared)
    for (const id of this.#refused.keys()) if (!wanted.has(id)) this.#refused.delete(id)
    return { toSet, local }
  }

  async #enter (items: readonly T[]): Promise<void> {
    await this.#host.ledger.enter(items.map(item => ({ id: item.id, grant: this.#kind.grantOf(item) })))
  }

  /** Returns how many of those that the ledger has were refused, or have to wait. */
  async #setAll (items: readonly T[], problems: string[]): Promise<number> {
    const { ledger, now } = this.#host
    const failed: T[] = []
    for (const rank of ranksOf(items, this.#kind)) {
      const ready: T[] = []
      for (const item of items) {
        if (this.#kind.rank(item) !== rank) continue
        const earlier = this.#refused.get(item.id)
        const obstacle = failed.find(other => this.#kind.waitsFor(item, other))
        if (earlier !== undefined && earlier.untilMs > now()) {
          failed.push(item)
          problems.push(earlier.reason)
        } else if (obstacle !== undefined) {
          failed.push(item)
          problems.push(`${this.#kind.format(item)} is not added, because ${this.#kind.format(obstacle)} could not be`)
        } else ready.push(item)
      }
      for (const batch of this.#batches(ready)) failed.push(...await this.#setBatch(batch, problems))
    }
    return failed.filter(({ id }) => ledger.has(id)).length
  }

  /** Returns what was refused. @throws when the outcome is not known, or concerns all */
  async #setBatch (batch: readonly T[], problems: string[]): Promise<T[]> {
    const { ledger, now } = this.#host
    if (!this.#mayChange()) throw ended()
    const fresh = batch.filter(({ id }) => !ledger.has(id))
    const isFresh = new Set(fresh.map(({ id }) => id))
    await this.#enter(batch.filter(item => isFresh.has(item.id) || !sameGrant(ledger.get(item.id), this.#kind.grantOf(item))))
    // Written while we lead, it counts for whoever leads next.
    if (!this.#mayChange()) throw ended()
    const outcomes = await this.#kind.set(batch)
    const failed: T[] = []
    const undone: string[] = []
    for (const [index, item] of batch.entries()) {
      const error = outcomeAt(outcomes, index, this.#kind.format(item))
      if (error === null) {
        this.#hasSucceeded = true
        this.#refused.delete(item.id)
        if (isFresh.has(item.id)) this.#created++
        else this.#changed++
        continue
      }
      failed.push(item)
      if (isFresh.has(item.id) && isDefinite(error)) undone.push(item.id)
      if (concernsAll(error)) continue
      problems.push(messageOf(error))
      if (isDefinite(error)) this.#refused.set(item.id, { untilMs: now() + REFUSED_MS, reason: messageOf(error) })
    }
    await ledger.strike(undone)
    const all = outcomes.find(concernsAll)
    if (all != null) throw this.#kind.explain(all)
    return failed
  }

  async #removeAll (items: readonly T[], present: ReadonlyMap<string, T>, { problems, mayChange }: { readonly problems: string[], readonly mayChange: () => boolean }): Promise<void> {
    const { ledger } = this.#host
    const check = (): void => { if (!mayChange()) throw ended() }
    // Whoever else keeps it is asked and told in one turn: of two links that let go of a thing at a time, one removes it.
    const unneeded = items.filter(({ id }) => !present.has(id) || this.#kind.isShared(id))
    if (unneeded.length > 0) {
      check()
      await ledger.strike(unneeded.map(({ id }) => id))
    }
    const there = items.filter(({ id }) => ledger.has(id))
    const failed: T[] = []
    for (const rank of ranksOf(there, this.#kind).reverse()) {
      const ready = there.filter(item => this.#kind.rank(item) === rank && !failed.some(other => this.#kind.waitsFor(other, item)))
      for (const batch of this.#batches(ready)) {
        check()
        const outcomes = await this.#kind.remove(batch)
        const removed: string[] = []
        for (const [index, item] of batch.entries()) {
          const error = outcomeAt(outcomes, index, this.#kind.format(item))
          if (error === null) {
            this.#hasSucceeded = true
            removed.push(item.id)
            continue
          }
          failed.push(item)
          problems.push(messageOf(error))
        }
        this.#deleted += removed.length
        await ledger.strike(removed)
        const all = outcomes.find(concernsAll)
        if (all != null) throw this.#kind.explain(all)
      }
    }
  }

  * #batches (items: readonly T[]): Generator<readonly T[]> {
    const usual = items.filter(item => !this.#kind.isUnusual(item))
    for (let start = 0; start < usual.length;) {
      const count = this.#hasSucceeded ? MOST_AT_ONCE : 1
      yield usual.slice(start, start + count)
      start += count
    }
    for (const item of items) if (this.#kind.isUnusual(item)) yield [item]
  }
}

function ended (): ShadowError {
  return new ShadowError('ABORTED', 'nothing may be changed any more: the link was failed over, or another engine leads', { retriable: true })
}

function ranksOf<T extends MirrorItem> (items: readonly T[], kind: MirroredKind<T>): number[] {
  return [...new Set(items.map(item => kind.rank(item)))].sort((a, b) => a - b)
}

/** An outcome that is missing says nothing. */
function outcomeAt (outcomes: ReadonlyArray<Error | null>, index: number, what: string): Error | null {
  const outcome = outcomes[index]
  return outcome === undefined ? new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, what, 'the answer has no row for it') : outcome
}

/** True when the cluster has said that it did not do it; after other errors it may have. */
function isDefinite (error: Error): boolean {
  return error instanceof BrokerError && !error.retriable && error.wireCode !== ErrorCodes.UNKNOWN_SERVER_ERROR
}

function sameGrant (recorded: SecurityGrant | null, grant: SecurityGrant): boolean {
  if (recorded === null) return false
  return recorded.type !== 'user' || grant.type !== 'user' || recorded.salt === grant.salt
}
