/**
 * Versions that have another id on the source than the one that the link copied them with. A registry gives a number out anew, with another id,
 * after a hard deletion only; but so does one that was rebuilt and filled again, for everything that it has: good copies must not be
 * deleted for it.
 */

/** So many subjects at once are as many as a registry has that was rebuilt; fewer, where they are most of all. */
const MANY_SUBJECTS = 5

interface Renumbering {
  readonly id: number
  /** The full look that found it first, by the time that it began at; null where none has yet. */
  readonly sinceMs: number | null
}

export class Renumbered {
  /** By subject of the source, by version. */
  readonly #subjects = new Map<string, Map<number, Renumbering>>()

  /**
   * A version was seen to have another id, in the full look that began at `fullLookMs`, or in a smaller one (null). True when it had that
   * same id in a full look before.
   */
  note (subject: string, version: number, { id, fullLookMs }: { readonly id: number, readonly fullLookMs: number | null }): boolean {
    let versions = this.#subjects.get(subject)
    if (versions === undefined) this.#subjects.set(subject, versions = new Map<number, Renumbering>())
    const before = versions.get(version)
    const sinceMs = before?.id === id ? before.sinceMs ?? fullLookMs : fullLookMs
    versions.set(version, { id, sinceMs })
    return sinceMs !== null && fullLookMs !== null && sinceMs < fullLookMs
  }

  /** The version has the id that it was copied with, or is not there. */
  forget (subject: string, version: number): void {
    const versions = this.#subjects.get(subject)
    versions?.delete(version)
    if (versions?.size === 0) this.#subjects.delete(subject)
  }

  /** Of a subject, only these versions are there. */
  keepOnly (subject: string, present: readonly number[]): void {
    for (const version of this.#subjects.get(subject)?.keys() ?? []) if (!present.includes(version)) this.forget(subject, version)
  }

  /** Why the source looks like a registry that was rebuilt, when the link has copied `all` subjects; null when it does not. */
  rebuilt (all: number): string | null {
    const { size } = this.#subjects
    if (size < 2 || (size < MANY_SUBJECTS && size <= all / 2)) return null
    return `${size} of ${all} subjects have versions with other ids on the source than those that they were copied with: the source registry looks like one that was rebuilt; nothing is replaced or deleted as long as that is so. ` +
      'Records that were written before have the ids that are on the shadow. If those of the source are to count all the same, delete the subjects on the shadow registry for good: they are copied anew'
  }
}
