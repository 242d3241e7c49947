/**
 * The REST API of a schema registry, and all that is assumed of real servers. No server can be had from the package registries to
 * test against: what is here was read in Confluent's documentation and in the source of its registry (Errors, AbstractSchemaRegistry,
 * KafkaSchemaRegistry, InMemoryCache, as of August 2026); the stand-in of the tests behaves accordingly.
 *
 *  1. `GET /subjects` lists the subjects of all contexts, those of other contexts than the default one as `:.CONTEXT:SUBJECT`. With
 *     `deleted=true` it has those too whose versions are all soft-deleted. An answer of 200 is a complete one.
 *  2. A version of a subject is never changed. A number is given anew only after it was hard-deleted.
 *  3. A registration with an id and a version keeps both, and is not checked for compatibility, in mode IMPORT; it is refused in
 *     READWRITE, and one without an id is refused in IMPORT (42205). Registering the same again changes nothing, but for a soft-deleted
 *     version, which is live again.
 *  4. An id stands for one schema in its context; a registration that contradicts this is refused (42205). Other contexts have their own ids.
 *  5. The mode that counts for a subject is its own, else that of its context. The default context's is the global one (`/mode`).
 *  6. Going to IMPORT without `force=true` is refused where there are live schemas, **and hard-deletes soft-deleted ones where there are
 *     not**. So it is always forced. Going to READWRITE needs no force.
 *  7. In READONLY nothing can be registered, deleted or configured. In IMPORT versions can be deleted, and settings changed.
 *  8. A version can be soft-deleted when no live version of another schema refers to it, hard-deleted when it is soft-deleted and none at
 *     all does (42206 otherwise).
 *  9. Hard-deleting the last version of a subject removes its own mode and compatibility.
 * 10. Registering a version hard-deletes lower soft-deleted versions of the same subject with the same id that nothing refers to: so
 *     versions are registered first, and soft-deleted afterwards.
 * 11. The text of a schema is answered as it was registered, `normalize` being false. Some servers write it in their own way all the same:
 *     whoever registers reads it back.
 * 12. A subject without its own compatibility answers 40408 (older servers 40401), without its own mode 40409 (older ones 40401).
 * 13. Slashes and colons in names of subjects may be percent-encoded in paths.
 */
import { z } from 'zod'
import { RegistryError, type HttpMethod, type RegistryHttp } from './registry-http.ts'
import { contextScope } from './subject-name.ts'

export interface SchemaReference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** What a schema is, wherever it is registered. */
export interface SchemaContent {
  /** AVRO, PROTOBUF or JSON. */
  readonly schemaType: string
  readonly schema: string
  readonly references: readonly SchemaReference[]
}

export interface SchemaVersion extends SchemaContent {
  readonly version: number
  readonly id: number
  /** What it has that is not copied. */
  readonly unsupported: readonly string[]
}

export interface CompatibilitySetting {
  /** Null where there is none. */
  readonly level: string | null
  readonly unsupported: readonly string[]
}

export const IMPORT = 'IMPORT'
export const READWRITE = 'READWRITE'
export const READONLY_MODES: readonly string[] = ['READONLY', 'READONLY_OVERRIDE']

const REFERENCE_EXISTS = 42206
const NOT_PERMITTED = 42205
const NOT_FOUND = 404
/** A 404 that says that something is there: it would have to be soft-deleted first. */
const NOT_SOFT_DELETED: readonly number[] = [40405, 40407]

const names = z.array(z.string())
const numbers = z.array(z.number().int())
const referenceSchema = z.object({ name: z.string(), subject: z.string(), version: z.number().int() })

const versionSchema = z.looseObject({
  version: z.number().int(),
  id: z.number().int(),
  schemaType: z.string().nullish(),
  schema: z.string(),
  references: z.array(referenceSchema).nullish(),
  metadata: z.unknown().optional(),
  ruleSet: z.unknown().optional()
})

const usesSchema = z.array(z.object({ subject: z.string(), version: z.number().int() }))
const configSchema = z.looseObject({ compatibilityLevel: z.string().nullish() })
const modeSchema = z.looseObject({ mode: z.string().nullish() })

/** Settings that a compatibility comes with in newer servers, and that are not copied. */
const OTHER_SETTINGS: readonly string[] = [
  'alias', 'normalize', 'validateFields', 'validateRules', 'compatibilityGroup', 'compatibilityPolicy', 'defaultMetadata', 'overrideMetadata', 'defaultRuleSet', 'overrideRuleSet'
]

export class RegistryApi {
  readonly #http: RegistryHttp

  constructor (http: RegistryHttp) {
    this.#http = http
  }

  get url (): string {
    return this.#http.url
  }

  /** Every subject of every context. */
  async subjects (signal: AbortSignal): Promise<string[]> {
    return await this.#ask('GET', '/subjects?deleted=true', names, signal)
  }

  /** The versions of a subject, ascending; none for a subject that does not exist. `deleted` has the soft-deleted ones, too. */
  async versions (subject: string, { deleted }: { readonly deleted: boolean }, signal: AbortSignal): Promise<number[]> {
    const found = await this.#find('GET', `${subjectPath(subject)}/versions${deleted ? '?deleted=true' : ''}`, numbers, signal)
    return (found ?? []).sort((a, b) => a - b)
  }

  /** A version, also a soft-deleted one; null where it does not exist. */
  async version (subject: string, version: number, signal: AbortSignal): Promise<SchemaVersion | null> {
    const found = await this.#find('GET', `${subjectPath(subject)}/versions/${version}?deleted=true`, versionSchema, signal)
    if (found === null) return null
    const { id, schemaType, schema, references } = found
    const unsupported = (['metadata', 'ruleSet'] as const).filter(name => isGiven(found[name]))
    return { version: found.version, id, schemaType: schemaType ?? 'AVRO', schema, references: references ?? [], unsupported }
  }

  /** The versions that an id stands for in a context; none where it is free. Subjects are named as in `subjects`. */
  async usesOf (id: number, context: string, signal: AbortSignal): Promise<Array<{ readonly subject: string, readonly version: number }>> {
    const scope = contextScope(context)
    return await this.#find('GET', `/schemas/ids/${id}/versions?deleted=true${scope === null ? '' : `&subject=${encodeURIComponent(scope)}`}`, usesSchema, signal) ?? []
  }

  /** Registers a schema as this version and under this id. Not repeated: whether it was carried out has to be read. */
  async register (subject: string, { version, id, schemaType, schema, references }: Omit<SchemaVersion, 'unsupported'>, signal: AbortSignal): Promise<void> {
    await this.#http.ask({ method: 'POST', path: `${subjectPath(subject)}/versions?normalize=false`, body: { version, id, schemaType, schema, references } }, signal)
  }

  /** Nothing, where it is deleted already. */
  async softDelete (subject: string, version: number, signal: AbortSignal): Promise<void> {
    await this.#delete(`${subjectPath(subject)}/versions/${version}`, signal)
  }

  /** A soft-deleted version, for good. */
  async hardDelete (subject: string, version: number, signal: AbortSignal): Promise<void> {
    await this.#delete(`${subjectPath(subject)}/versions/${version}?permanent=true`, signal)
  }

  /** The compatibility of a subject, or of a context (see `contextScope`), that is its own. */
  async compatibility (scope: string | null, signal: AbortSignal): Promise<CompatibilitySetting> {
    const found = await this.#find('GET', scopePath('/config', scope), configSchema, signal)
    return { level: found?.compatibilityLevel ?? null, unsupported: found === null ? [] : OTHER_SETTINGS.filter(name => isGiven(found[name])) }
  }

  async setCompatibility (scope: string | null, level: string, signal: AbortSignal): Promise<void> {
    await this.#http.ask({ method: 'PUT', path: scopePath('/config', scope), body: { compatibility: level } }, signal)
  }

  async removeCompatibility (scope: string, signal: AbortSignal): Promise<void> {
    await this.#delete(scopePath('/config', scope), signal)
  }

  /** The mode of a subject or context that is its own; null where it has none. */
  async mode (scope: string | null, signal: AbortSignal): Promise<string | null> {
    return (await this.#find('GET', scopePath('/mode', scope), modeSchema, signal))?.mode ?? null
  }

  async setMode (scope: string | null, mode: string, signal: AbortSignal): Promise<void> {
    await this.#http.ask({ method: 'PUT', path: `${scopePath('/mode', scope)}${mode === IMPORT ? '?force=true' : ''}`, body: { mode } }, signal)
  }

  async #delete (path: string, signal: AbortSignal): Promise<void> {
    await this.#find('DELETE', path, z.unknown(), signal)
  }

  /** Null for what does not exist. */
  async #find<T> (method: HttpMethod, path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T | null> {
    try {
      return await this.#ask(method, path, schema, signal)
    } catch (error) {
      // A 404 with no code of a registry is a path that this server, or what is before it, does not know.
      if (error instanceof RegistryError && error.status === NOT_FOUND && error.errorCode !== null && error.errorCode > NOT_FOUND && !NOT_SOFT_DELETED.includes(error.errorCode)) return null
      throw error
    }
  }

  async #ask<T> (method: HttpMethod, path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    const answer = schema.safeParse(await this.#http.ask({ method, path }, signal))
    if (answer.success) return answer.data
    throw new RegistryError(`${method} ${decodeURIComponent(path)} of ${this.url}: the answer is not what a schema registry says there`, { status: 200, errorCode: null, retriable: false })
  }
}

/** True when the deletion of a version was refused because others refer to it. */
export function isReferenced (error: unknown): boolean {
  return error instanceof RegistryError && error.errorCode === REFERENCE_EXISTS
}

/** True when the mode of a registry, or an id that is taken, stands against a write. */
export function isNotPermitted (error: unknown): boolean {
  return error instanceof RegistryError && error.errorCode === NOT_PERMITTED
}

function isGiven (value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return false
  return typeof value !== 'object' || Object.values(value).some(isGiven)
}

function subjectPath (subject: string): string {
  return `/subjects/${encodeURIComponent(subject)}`
}

function scopePath (path: string, scope: string | null): string {
  return scope === null ? path : `${path}/${encodeURIComponent(scope)}`
}
