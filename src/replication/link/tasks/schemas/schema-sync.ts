/**
 * The task `Schema Registry Shadowing`: copies schemas from the source's registry to the shadow's by their REST APIs.
 *
 *   (run, every tail interval) ──▶ list subjects ──▶ new ones, and those with problems ──▶ new ids ──▶ the pass, for as long as an interval
 *
 *   pass: every subject once ──▶ deletions ──▶ settings of contexts ──▶ done      TAIL: new versions; FULL: everything, every full interval
 *
 *   link failed over, or deleted ──▶ contexts READWRITE ──▶ opened: the registry is not touched any more
 *
 * A pass goes on where the run before left it, so that new subjects never wait for it. What is to be deleted is known only at its end.
 */
import { formatSubject, parseSubject, contextScope, type SubjectMap, type SubjectName } from './subject-name.ts'
import type { SchemaApiOptions } from '../../../../config/link/schema-sync-options.ts'
import { messageOf } from '../../../../errors.ts'
import type { Logger } from '../../../../observability/logger.ts'
import type { SchemaRegistryStatus } from '../../../link-service.ts'
import type { TaskOutcome } from '../task-loop.ts'
import { isReferenced, type RegistryApi } from './registry-api.ts'
import { ensureImport, openRegistry } from './registry-modes.ts'
import type { SchemaLedger } from './schema-ledger.ts'
import { isFatal, type DueDeletion, type SubjectCopy } from './subject-copy.ts'
import { SyncCounts } from './sync-counts.ts'

const SHOWN_PROBLEMS = 20
/** Ids that are asked for ahead in each context in one run. */
const MOST_NEW_IDS = 100

export interface SchemaSyncOptions {
  readonly options: SchemaApiOptions
  readonly source: RegistryApi
  readonly shadow: RegistryApi
  readonly map: SubjectMap
  readonly ledger: SchemaLedger
  readonly copy: SubjectCopy
  /** For questions to the source: ends with a failover. */
  readonly sourceSignal: AbortSignal
  readonly signal: AbortSignal
  /** True once the registry is to be given back. */
  readonly isOver: () => boolean
  readonly logger: Logger
  readonly now: () => number
  readonly wallClock: () => Date
}

interface Pass {
  readonly type: 'FULL' | 'TAIL'
  readonly startedMs: number
  readonly counts: SyncCounts
  readonly queue: SubjectName[]
  /** All names that the source showed when the pass began. */
  readonly listed: ReadonlySet<string>
  readonly deletions: DueDeletion[]
  /** Versions of the source, and those that are the same on the shadow, by subject. */
  readonly sizes: Map<string, { readonly versions: number, readonly same: number }>
}

export class SchemaSync {
  readonly #options: SchemaSyncOptions
  readonly #totals: SyncCounts
  readonly #known = new Set<string>()
  /** By subject of the source. */
  readonly #problems = new Map<string, string>()
  /** What is wrong with contexts, and with the whole. */
  readonly #general = new Map<string, string>()
  #pass: Pass | null = null
  #lastFullStartMs = -Infinity
  #lastFull: ReturnType<SyncCounts['summary']> | null = null
  #lastLookStartMs = -Infinity
  #inventory: SchemaRegistryStatus['inventory'] = { selectedSourceSubjects: null, selectedSourceSubjectVersions: null, destinationSubjects: null, destinationSubjectVersions: null }
  #skipped = 0

  constructor (options: SchemaSyncOptions) {
    this.#options = options
    this.#totals = new SyncCounts(options.wallClock().toISOString())
  }

  /** When the last look at every subject that has ended began, by `now`: what the source had then, and has no problem, is on the shadow. */
  get lastLookStartMs (): number {
    return this.#lastLookStartMs
  }

  /** What is not as on the source, by subject or in words. */
  get problems (): ReadonlyMap<string, string> {
    return new Map([...this.#general, ...[...this.#problems].sort(([a], [b]) => a < b ? -1 : 1)])
  }

  /** @throws {ShadowError} where a registry cannot be asked at all */
  async run (): Promise<TaskOutcome> {
    const { options, source, sourceSignal, now } = this.#options
    const startedMs = now()
    const listed = await source.subjects(sourceSignal)
    const selected = this.#select(listed)
    const ready = await this.#prepare(selected)
    const counts = this.#pass?.counts ?? new SyncCounts(this.#time())
    const inQueue = new Set(this.#pass?.queue.map(formatSubject))
    const urgent = ready.filter(name => {
      const subject = formatSubject(name)
      return (!this.#known.has(subject) || this.#problems.has(subject)) && !inQueue.has(subject)
    })
    if (this.#pass === null) this.#pass = this.#begin(ready, new Set(listed), counts)
    else await this.#work(urgent, this.#pass, startedMs)
    if (!this.#isLate(startedMs)) await this.#lookForIds(ready, this.#pass)
    await this.#work(this.#pass.queue, this.#pass, startedMs)
    if (this.#pass.queue.length > 0) return this.#outcome(true)
    await this.#finish(this.#pass, ready)
    this.#pass = null
    // A change of the options counts at once.
    return this.#outcome(now() - startedMs > options.tailIntervalMs)
  }

  /** Gives the registry back: see registry-modes.ts. */
  async open (): Promise<TaskOutcome> {
    const { shadow, ledger, signal, logger } = this.#options
    const { openedAt, contexts } = ledger.registry
    if (openedAt === null) {
      await openRegistry({ shadow, ledger, signal })
      await ledger.opened(this.#time())
      logger.info({ contexts }, 'the shadow registry was given back: it can be written to')
    }
    this.#pass = null
    const left = this.#problems.size === 0 ? '' : `; ${this.#problems.size} subjects were not as on the source: see the problems`
    return { reason: `the shadow registry was given back at ${ledger.registry.openedAt ?? ''} and is not touched any more${left}`, problems: [], ended: true }
  }

  status (sourceUrl: string, shadowUrl: string | null): SchemaRegistryStatus {
    const { ledger } = this.#options
    const pass = this.#pass
    return {
      sourceUrl,
      shadowUrl,
      contexts: ledger.registry.contexts,
      inventory: this.#inventory,
      skippedSubjects: this.#skipped,
      currentSync: pass === null ? null : { syncType: pass.type, subjectsLeft: pass.queue.length, summary: pass.counts.summary(null) },
      lastFullSync: this.#lastFull,
      totalsSinceTaskStart: this.#totals.summary(null),
      problems: [...this.problems].slice(0, SHOWN_PROBLEMS).map(([subject, problem]) => ({ subject, problem })),
      problemCount: this.problems.size,
      openedAt: ledger.registry.openedAt
    }
  }

  /** What the filter selects and a context of the shadow is there for. */
  #select (listed: readonly string[]): SubjectName[] {
    const { map } = this.#options
    const selected = listed.map(parseSubject).filter(name => map.selects(name))
    const mapped = selected.filter(name => map.toShadow(name) !== null)
    this.#skipped = selected.length - mapped.length
    const subjects = new Set(mapped.map(formatSubject))
    for (const subject of this.#known) if (!subjects.has(subject)) this.#forget(subject)
    return mapped.sort((a, b) => formatSubject(a) < formatSubject(b) ? -1 : 1)
  }

  #forget (subject: string): void {
    this.#known.delete(subject)
    this.#problems.delete(subject)
    this.#options.copy.forget(parseSubject(subject))
  }

  /** Has the contexts of the shadow in IMPORT; what is in a context that cannot be is left out, with the reason. */
  async #prepare (selected: readonly SubjectName[]): Promise<SubjectName[]> {
    const { map, shadow, ledger, logger, signal, sourceSignal, isOver } = this.#options
    const ready = new Set<string>()
    for (const context of map.sourceContexts(new Set(selected.map(name => name.context)))) {
      const there = map.destinationOf(context)
      if (there === null || isOver()) continue
      const key = `context ${context}`
      try {
        await ensureImport(there, { shadow, ledger, logger, signal })
        ready.add(context)
        this.#general.delete(key)
      } catch (error) {
        if (isFatal(error, signal, sourceSignal)) throw error
        this.#general.set(key, messageOf(error))
      }
    }
    return selected.filter(({ context }) => ready.has(context))
  }

  #begin (ready: readonly SubjectName[], listed: ReadonlySet<string>, counts: SyncCounts): Pass {
    const { now, options } = this.#options
    const isFull = now() - this.#lastFullStartMs >= options.fullIntervalMs
    if (isFull) this.#lastFullStartMs = now()
    // The new ones first.
    const queue = [...ready.filter(name => !this.#known.has(formatSubject(name))), ...ready.filter(name => this.#known.has(formatSubject(name)))]
    return { type: isFull ? 'FULL' : 'TAIL', startedMs: now(), counts, queue, listed, deletions: [], sizes: new Map() }
  }

  #isLate (startedMs: number): boolean {
    const { now, options, isOver } = this.#options
    return isOver() || now() - startedMs >= options.tailIntervalMs
  }

  /** Works through subjects until the interval is over; takes each from the queue when it is done. */
  async #work (queue: SubjectName[], pass: Pass, startedMs: number): Promise<void> {
    while (!this.#isLate(startedMs)) {
      const [name] = queue
      if (name === undefined) return
      await this.#look(name, pass)
      queue.shift()
    }
  }

  async #look (name: SubjectName, pass: Pass): Promise<void> {
    const { copy, signal, sourceSignal } = this.#options
    const subject = formatSubject(name)
    let problems: readonly string[]
    try {
      const look = await copy.look(name, { isFull: pass.type === 'FULL' || !this.#known.has(subject) || this.#problems.has(subject), fullLookMs: fullLookOf(pass), counts: pass.counts })
      pass.deletions.push(...look.deletions)
      pass.sizes.set(subject, look)
      problems = look.problems
    } catch (error) {
      if (isFatal(error, signal, sourceSignal)) throw error
      problems = [messageOf(error)]
    }
    this.#known.add(subject)
    const [first] = problems
    if (first === undefined) this.#problems.delete(subject)
    else {
      this.#problems.set(subject, `${first}${problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''}`)
      pass.counts.errors += problems.length
    }
  }

  /** New schemas have the next ids: they are found without a look at every subject. */
  async #lookForIds (ready: readonly SubjectName[], pass: Pass): Promise<void> {
    const { source, copy, sourceSignal } = this.#options
    const selected = new Set(ready.map(formatSubject))
    for (const [context, highest] of copy.highestIds) {
      for (let id = highest + 1; id <= highest + MOST_NEW_IDS; id++) {
        const uses = (await source.usesOf(id, context, sourceSignal)).map(use => parseSubject(use.subject)).filter(use => use.context === context)
        if (uses.length === 0) break
        copy.highestIds.set(context, id)
        for (const use of uses) if (selected.has(formatSubject(use))) await this.#look(use, pass)
      }
    }
  }

  async #finish (pass: Pass, ready: readonly SubjectName[]): Promise<void> {
    const { copy, map, isOver } = this.#options
    if (isOver()) return
    // Of subjects that are not there any more, only what is found now counts.
    if (pass.type === 'FULL') for (const subject of this.#problems.keys()) if (!this.#known.has(subject)) this.#problems.delete(subject)
    const { rebuilt } = copy
    if (rebuilt !== null) this.#general.set('ids', rebuilt)
    else {
      this.#general.delete('ids')
      const gone = pass.type === 'FULL' ? this.#vanished(pass) : []
      await this.#delete([...pass.deletions, ...gone], pass.counts)
    }
    if (pass.type === 'FULL') {
      for (const context of new Set(ready.map(name => name.context))) {
        const there = map.destinationOf(context)
        if (there === null || !map.selectsContext(context) || isOver()) continue
        const key = `compatibility of context ${context}`
        const problem = await copy.followCompatibility(contextScope(context), contextScope(there), pass.counts)
        if (problem === null) this.#general.delete(key)
        else this.#general.set(key, problem)
      }
    }
    const sizes = [...pass.sizes.values()]
    const sum = (of: 'versions' | 'same'): number => sizes.reduce((total, size) => total + size[of], 0)
    this.#inventory = {
      selectedSourceSubjects: ready.length,
      selectedSourceSubjectVersions: sum('versions'),
      destinationSubjects: sizes.filter(({ same }) => same > 0).length,
      destinationSubjectVersions: sum('same')
    }
    this.#lastLookStartMs = pass.startedMs
    const summary = pass.counts.summary(this.#time())
    this.#totals.subjectVersionsChanged += summary.subjectVersionsChanged
    this.#totals.compatibilityConfigsChanged += summary.compatibilityConfigsChanged
    this.#totals.modesChanged += summary.modesChanged
    this.#totals.unsupportedFeaturesRemoved += summary.unsupportedFeaturesRemoved
    this.#totals.errors += summary.errors
    if (pass.type === 'FULL') this.#lastFull = summary
  }

  /** What the link registered in subjects that the source does not list any more, not even as deleted, for the second time. */
  #vanished (pass: Pass): DueDeletion[] {
    const { ledger, map, copy } = this.#options
    const key = 'deletions'
    const missing = [...ledger.subjects.values()].filter(({ subject }) => {
      const there = parseSubject(subject)
      const context = map.sourceOf(there.context)
      if (context === null) return false
      const name = { context, subject: there.subject }
      return map.selects(name) && !pass.listed.has(formatSubject(name))
    })
    if (missing.length > 0 && pass.listed.size === 0) {
      this.#general.set(key, `the source registry shows no subject at all, and the shadow has ${missing.length} from it: nothing is deleted, since a registry that lost everything looks like that`)
      return []
    }
    this.#general.delete(key)
    return missing.flatMap(({ subject, versions }) => versions.filter(([version]) => copy.goneTwice(subject, version, fullLookOf(pass))).map(([version]) => ({ subject, version, forGood: true }))).reverse()
  }

  /** Those that others refer to are tried again after the others are gone. */
  async #delete (deletions: readonly DueDeletion[], counts: SyncCounts): Promise<void> {
    let left = deletions
    for (let progress = true; progress && left.length > 0;) {
      const next: DueDeletion[] = []
      for (const deletion of left) if (!await this.#deleteOne(deletion, counts)) next.push(deletion)
      progress = next.length < left.length
      left = next
    }
    for (const { subject, version } of left) this.#problemThere(subject, `version ${version} is to be deleted, and other schemas on the shadow refer to it`)
  }

  /** False where others refer to it. */
  async #deleteOne ({ subject, version, forGood }: DueDeletion, counts: SyncCounts): Promise<boolean> {
    const { shadow, ledger, signal, sourceSignal, isOver, logger } = this.#options
    if (isOver()) return true
    try {
      const found = await shadow.version(subject, version, signal)
      if (found !== null && found.id !== ledger.idOf(subject, version)) {
        this.#problemThere(subject, `version ${version} is to be deleted, and is not the one that the link registered: it is left alone`)
        return true
      }
      if (found !== null) {
        await shadow.softDelete(subject, version, signal)
        if (forGood) await shadow.hardDelete(subject, version, signal)
        counts.subjectVersionsChanged++
        logger.info({ subject, version, forGood }, `version ${version} of ${subject} was deleted on the shadow registry, as on the source`)
      }
      if (forGood) await ledger.forgetVersion(subject, version)
      if (forGood && ledger.subjects.get(subject)?.versions.length === 0 && (await shadow.versions(subject, { deleted: true }, signal)).length === 0) await ledger.forgetSubject(subject)
    } catch (error) {
      if (isReferenced(error)) return false
      if (isFatal(error, signal, sourceSignal)) throw error
      this.#problemThere(subject, `version ${version} cannot be deleted: ${messageOf(error)}`)
    }
    return true
  }

  #problemThere (subject: string, problem: string): void {
    const { map } = this.#options
    const there = parseSubject(subject)
    this.#problems.set(formatSubject({ context: map.sourceOf(there.context) ?? there.context, subject: there.subject }), problem)
  }

  #outcome (again: boolean): TaskOutcome {
    const { selectedSourceSubjects: subjects, destinationSubjectVersions: same, selectedSourceSubjectVersions: versions } = this.#inventory
    const known = subjects === null ? 'the first look at all subjects is under way' : `${subjects} subjects are selected; ${same ?? 0} of ${versions ?? 0} versions are the same on the shadow`
    const left = this.#pass === null ? '' : `; ${this.#pass.queue.length} subjects are left of a ${this.#pass.type} look`
    const skipped = this.#skipped === 0 ? '' : `; ${this.#skipped} subjects are in contexts that are mapped nowhere, and skipped`
    return { reason: `${known}${left}${skipped}`, problems: [...this.problems].map(([subject, problem]) => `${subject}: ${problem}`), again }
  }

  #time (): string {
    return this.#options.wallClock().toISOString()
  }
}

/** See LookOptions. */
function fullLookOf ({ type, startedMs }: Pass): number | null {
  return type === 'FULL' ? startedMs : null
}
