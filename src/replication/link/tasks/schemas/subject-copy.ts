/**
 * Copies one subject: each version under its number and its id, what it refers to first, and reads back what the shadow's registry made
 * of it. Nothing that is there already is written over.
 */
import type { SchemaApiOptions } from '../../../../config/link/schema-sync-options.ts'
import { isRetriable, ShadowError } from '../../../../errors.ts'
import { isNotPermitted, IMPORT, type RegistryApi, type SchemaContent, type SchemaVersion } from './registry-api.ts'
import type { SchemaLedger } from './schema-ledger.ts'
import { Renumbered } from './renumbered.ts'
import { formatSubject, parseSubject, type SubjectMap, type SubjectName } from './subject-name.ts'
import type { SyncCounts } from './sync-counts.ts'

/** A deletion that is to follow, once everything is registered. */
export interface DueDeletion {
  /** On the shadow. */
  readonly subject: string
  readonly version: number
  /** Also hard: the source does not have it any more at all. */
  readonly forGood: boolean
}

export interface SubjectCopyOptions {
  readonly source: RegistryApi
  readonly shadow: RegistryApi
  readonly map: SubjectMap
  readonly ledger: SchemaLedger
  readonly unsupportedFeatures: SchemaApiOptions['unsupportedFeatures']
  /** For questions to the source: ends with a failover. */
  readonly sourceSignal: AbortSignal
  readonly signal: AbortSignal
  /** False once the registry is to be given back: nothing is written from then on. */
  readonly mayWrite: () => boolean
}

/** How closely one subject is looked at. */
export interface LookOptions {
  /** Versions that were found the same are compared again, and deletions and settings are followed. */
  readonly isFull: boolean
  /** When the full look at all subjects began that this is part of, by the clock of the engine; null where it is part of none. */
  readonly fullLookMs: number | null
  readonly counts: SyncCounts
}

export interface SubjectLook {
  /** Versions of the source, soft-deleted ones included. */
  readonly versions: number
  /** Of them, those that are on the shadow as they are on the source. */
  readonly same: number
  readonly deletions: readonly DueDeletion[]
  readonly problems: readonly string[]
}

const deepest = 100

export class SubjectCopy {
  readonly #options: SubjectCopyOptions
  /** `SUBJECT/VERSION` of the source: found to be the same on the shadow since this engine began to lead. */
  readonly #same = new Set<string>()
  /** The highest id seen in each context of the source. */
  readonly highestIds = new Map<string, number>()
  /** When the full look began that first missed a version. */
  readonly #gone = new Map<string, number>()
  readonly #renumbered = new Renumbered()

  constructor (options: SubjectCopyOptions) {
    this.#options = options
  }

  /** Why the source looks like a registry that was rebuilt: nothing is to be deleted then. Null when it does not. */
  get rebuilt (): string | null {
    return this.#renumbered.rebuilt(this.#options.ledger.subjects.size)
  }

  /**
   * What fails for one version is a problem; the others go on.
   * @throws {RegistryError} retriable, where a registry cannot be asked; {ShadowError} ABORTED
   */
  async look (name: SubjectName, options: LookOptions): Promise<SubjectLook> {
    const { isFull, fullLookMs, counts } = options
    const { source, shadow, map, sourceSignal, signal } = this.#options
    const subject = formatSubject(name)
    const target = map.toShadow(name)
    if (target === null) throw new ShadowError('INVARIANT', `subject ${subject} is mapped nowhere`)
    const there = formatSubject(target)
    const versions = await source.versions(subject, { deleted: true }, sourceSignal)
    this.#renumbered.keepOnly(subject, versions)
    const problems: string[] = []
    const deletions: DueDeletion[] = []
    const fresh = versions.filter(version => isFull || !this.#same.has(keyOf(subject, version)))
    if (fresh.length === 0 && !isFull) return { versions: versions.length, same: versions.length, deletions, problems }
    const live = new Set(await source.versions(subject, { deleted: false }, sourceSignal))
    for (const version of fresh) {
      this.#same.delete(keyOf(subject, version))
      try {
        await this.#ensure(name, version, options, [])
      } catch (error) {
        if (isFatal(error, signal, sourceSignal)) throw error
        problems.push(error instanceof Error ? error.message : String(error))
      }
    }
    const [theirs, liveThere] = [await shadow.versions(there, { deleted: true }, signal), new Set(await shadow.versions(there, { deleted: false }, signal))]
    for (const version of theirs) {
      const isOurs = this.#options.ledger.idOf(there, version) !== null
      if (versions.includes(version)) {
        this.#gone.delete(keyOf(there, version))
        if (!live.has(version) && liveThere.has(version)) {
          if (isOurs) deletions.push({ subject: there, version, forGood: false })
          else problems.push(`version ${version} is deleted on the source; on the shadow it was not registered by the link, and is left alone`)
        } else if (live.has(version) && !liveThere.has(version)) {
          if (isOurs) await this.#restore(name, version, counts, problems)
          else problems.push(`version ${version} was deleted on the shadow by somebody, and not registered by the link: it is left alone`)
        }
      } else if (isFull) {
        if (!isOurs) problems.push(`version ${version} is on the shadow and not on the source; the link did not register it, and leaves it alone`)
        else if (this.goneTwice(there, version, fullLookMs)) deletions.push({ subject: there, version, forGood: true })
      }
    }
    if (isFull) await this.#followSettings(subject, there, counts, problems)
    return { versions: versions.length, same: versions.filter(version => this.#same.has(keyOf(subject, version))).length, deletions, problems }
  }

  /** True when a version is missing on the source for the second full look in a row: only then is it deleted for good. See LookOptions. */
  goneTwice (there: string, version: number, fullLookMs: number | null): boolean {
    if (fullLookMs === null) return false
    const key = keyOf(there, version)
    const sinceMs = this.#gone.get(key) ?? fullLookMs
    this.#gone.set(key, sinceMs)
    return sinceMs < fullLookMs
  }

  /** Forgets that a subject was the same: it is to be looked at as a new one. */
  forget (name: SubjectName): void {
    const subject = formatSubject(name)
    const prefix = keyOf(subject, '')
    this.#renumbered.keepOnly(subject, [])
    for (const key of this.#same) if (key.startsWith(prefix)) this.#same.delete(key)
  }

  async #ensure (name: SubjectName, version: number, options: LookOptions, trail: readonly string[]): Promise<void> {
    const { source, shadow, map, sourceSignal, signal, unsupportedFeatures } = this.#options
    const subject = formatSubject(name)
    const key = keyOf(subject, version)
    if (this.#same.has(key)) return
    if (trail.includes(key) || trail.length > deepest) throw new ShadowError('CONFLICT', `version ${version} of ${subject} refers to itself, by way of ${trail.slice(0, 5).join(', ')}`)
    const theirs = await source.version(subject, version, sourceSignal)
    // Deleted since the list was made.
    if (theirs === null) return
    this.highestIds.set(name.context, Math.max(theirs.id, this.highestIds.get(name.context) ?? 0))
    if (theirs.unsupported.length > 0) {
      const what = `version ${version} has ${theirs.unsupported.join(' and ')}, which is not copied`
      if (unsupportedFeatures === 'FAIL') throw new ShadowError('CONFLICT', `${what}: it is left out (unsupported_schema_feature_policy: REMOVE copies it without)`)
    }
    for (const reference of theirs.references) {
      const referred = qualified(reference.subject, name.context)
      if (map.selects(referred) && map.toShadow(referred) !== null) await this.#ensure(referred, reference.version, options, [...trail, key])
    }
    const target = map.toShadow(name)
    if (target === null) return
    const there = formatSubject(target)
    const wanted = { ...theirs, references: theirs.references.map(reference => ({ ...reference, subject: this.#referenceTo(reference.subject, name.context) })) }
    const existing = await shadow.version(there, version, signal)
    // The source gave the number out anew, which it does after a hard deletion only: the old one is the link's to delete, once that is certain.
    const isReplaced = existing !== null && existing.id !== wanted.id && this.#options.ledger.idOf(there, version) === existing.id
    if (!isReplaced) this.#renumbered.forget(subject, version)
    else {
      const isCertain = this.#renumbered.note(subject, version, { id: wanted.id, fullLookMs: options.fullLookMs })
      if (!isCertain || this.rebuilt !== null) {
        throw new ShadowError('CONFLICT', `version ${version} was copied with id ${existing.id}, and has id ${wanted.id} on the source by now: it is ${this.rebuilt === null ? 'replaced once the source says so at the next full look, too' : 'left as it is'}`)
      }
      await this.#checkId(target.context, wanted)
      this.#assertMayWrite()
      await shadow.softDelete(there, version, signal)
      await shadow.hardDelete(there, version, signal)
    }
    if (existing === null || isReplaced) {
      await this.#register(there, target.context, wanted, options.counts)
      options.counts.unsupportedFeaturesRemoved += theirs.unsupported.length
    } else check(existing, wanted, `version ${version} is on the shadow already, and is another one`)
    this.#renumbered.forget(subject, version)
    this.#same.add(key)
  }

  /** Registers a version, and reads it back. */
  async #register (there: string, context: string, wanted: SchemaVersion, counts: SyncCounts): Promise<void> {
    const { shadow, ledger, signal } = this.#options
    const { version, id } = wanted
    await this.#checkId(context, wanted)
    this.#assertMayWrite()
    await ledger.claimVersion(there, version, id)
    this.#assertMayWrite()
    try {
      await shadow.register(there, wanted, signal)
    } catch (error) {
      // It may have been carried out: the next look reads what there is.
      if (isRetriable(error)) throw error
      if (await shadow.version(there, version, signal) === null) await ledger.forgetVersion(there, version)
      throw isNotPermitted(error) ? new ShadowError('CONFLICT', `version ${version} with id ${id}: ${error instanceof Error ? error.message : ''}`) : error
    }
    counts.subjectVersionsChanged++
    const made = await shadow.version(there, version, signal)
    if (made === null) throw new ShadowError('CONFLICT', `version ${version} was registered with id ${id}, and the shadow registry does not have it`)
    check(made, wanted, `version ${version} was registered, and the shadow registry made something else of it`)
  }

  /** @throws {ShadowError} CONFLICT where the id stands for another schema */
  async #checkId (context: string, wanted: SchemaVersion): Promise<void> {
    const { shadow, signal } = this.#options
    for (const use of await shadow.usesOf(wanted.id, context, signal)) {
      if (parseSubject(use.subject).context !== context) continue
      const other = await shadow.version(use.subject, use.version, signal)
      if (other === null || other.id !== wanted.id) continue
      const difference = differenceOf(other, wanted)
      if (difference !== null) throw new ShadowError('CONFLICT', `version ${wanted.version} has id ${wanted.id}, which on the shadow is that of ${use.subject} version ${use.version}, another schema (${difference})`)
      return
    }
  }

  /** Somebody deleted a version of the link on the shadow that is live on the source. */
  async #restore (name: SubjectName, version: number, counts: SyncCounts, problems: string[]): Promise<void> {
    const { source, shadow, map, sourceSignal, signal } = this.#options
    const target = map.toShadow(name)
    const theirs = await source.version(formatSubject(name), version, sourceSignal)
    if (theirs === null || target === null || !this.#same.has(keyOf(formatSubject(name), version))) return
    const there = formatSubject(target)
    this.#assertMayWrite()
    await shadow.register(there, { ...theirs, references: theirs.references.map(reference => ({ ...reference, subject: this.#referenceTo(reference.subject, name.context) })) }, signal)
    counts.subjectVersionsChanged++
    if (!(await shadow.versions(there, { deleted: false }, signal)).includes(version)) problems.push(`version ${version} was deleted on the shadow by somebody, and cannot be restored`)
  }

  async #followSettings (subject: string, there: string, counts: SyncCounts, problems: string[]): Promise<void> {
    const { source, ledger, sourceSignal, signal, shadow } = this.#options
    const problem = await this.followCompatibility(subject, there, counts)
    if (problem !== null) problems.push(problem)
    const mode = await source.mode(subject, sourceSignal)
    const own = await shadow.mode(there, signal)
    // The subject's own mode counts before that of its context.
    if (own !== null && own !== IMPORT) problems.push(`the subject is ${own} on the shadow, which somebody set: nothing can be registered in it`)
    this.#assertMayWrite()
    if (await ledger.setMode(there, mode === IMPORT ? null : mode)) counts.modesChanged++
  }

  /** Makes the compatibility of a subject, or of a context (see `contextScope`), the source's. Returns what is left to say of it. */
  async followCompatibility (scope: string | null, there: string | null, counts: SyncCounts): Promise<string | null> {
    const { source, shadow, ledger, sourceSignal, signal, unsupportedFeatures } = this.#options
    const theirs = await source.compatibility(scope, sourceSignal)
    const mine = await shadow.compatibility(there, signal)
    const isSubject = there !== null && parseSubject(there).subject !== ''
    if (theirs.unsupported.length > 0 && unsupportedFeatures === 'FAIL') return `its settings have ${theirs.unsupported.join(', ')}, which are not copied (unsupported_schema_feature_policy: REMOVE copies the compatibility without)`
    if (theirs.level === mine.level) return null
    this.#assertMayWrite()
    if (theirs.level !== null) {
      if (isSubject) await ledger.setCompatibility(there, true)
      await shadow.setCompatibility(there, theirs.level, signal)
    } else if (isSubject && ledger.subjects.get(there)?.compatibility === true) {
      await shadow.removeCompatibility(there, signal)
      await ledger.setCompatibility(there, false)
    } else return isSubject ? `the subject has a compatibility of its own on the shadow (${mine.level ?? ''}), and none on the source; the link did not set it, and leaves it alone` : null
    counts.compatibilityConfigsChanged++
    counts.unsupportedFeaturesRemoved += theirs.unsupported.length
    const set = await shadow.compatibility(there, signal)
    return set.level === theirs.level ? null : `its compatibility was set to ${theirs.level ?? 'none'}, and the shadow registry says that it is ${set.level ?? 'none'}`
  }

  /** The name by which a schema on the shadow refers to a subject. One without a context is meant to be in that of the schema. */
  #referenceTo (subject: string, context: string): string {
    if (!isQualified(subject)) return subject
    const referred = qualified(subject, context)
    // Also the default context is named: without, it would be that of the schema.
    return `:${this.#options.map.destinationOf(referred.context) ?? referred.context}:${referred.subject}`
  }

  #assertMayWrite (): void {
    if (!this.#options.mayWrite()) throw new ShadowError('ABORTED', 'the registry is given back: nothing more is written to it')
  }
}

/** True for what ends a whole run. */
export function isFatal (error: unknown, ...signals: readonly AbortSignal[]): boolean {
  return signals.some(({ aborted }) => aborted) || isRetriable(error) || (error instanceof ShadowError && (error.code === 'ABORTED' || error.code === 'SETTING_NEEDED'))
}

function keyOf (subject: string, version: number | string): string {
  return `${subject}/${version}`
}

function isQualified (subject: string): boolean {
  return /^:\.[^:]*:/.test(subject)
}

function qualified (subject: string, context: string): SubjectName {
  return isQualified(subject) ? parseSubject(subject) : { context, subject }
}

/** @throws {ShadowError} CONFLICT where they are not the same */
function check (found: SchemaVersion, wanted: SchemaVersion, what: string): void {
  const difference = found.id === wanted.id ? differenceOf(found, wanted) : `id ${found.id} instead of ${wanted.id}`
  if (found.version !== wanted.version) throw new ShadowError('CONFLICT', `${what}: version ${found.version} instead of ${wanted.version}`)
  if (difference !== null) throw new ShadowError('CONFLICT', `${what}: ${difference}`)
}

/** Null where they are the same, byte for byte. */
function differenceOf (found: SchemaContent, wanted: SchemaContent): string | null {
  if (found.schemaType !== wanted.schemaType) return `type ${found.schemaType} instead of ${wanted.schemaType}`
  const references = ({ references: list }: SchemaContent): string => JSON.stringify(list.map(({ name, subject, version }) => [name, subject, version]))
  if (references(found) !== references(wanted)) return 'other references'
  if (found.schema === wanted.schema) return null
  return isSameJson(found.schema, wanted.schema) ? 'the same JSON, written differently' : 'another text'
}

function isSameJson (a: string, b: string): boolean {
  try {
    return JSON.stringify(JSON.parse(a)) === JSON.stringify(JSON.parse(b))
  } catch {
    return false
  }
}
