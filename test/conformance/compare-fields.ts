import type { FieldSpec, Fields, PrimitiveType } from '../../protocol/schema/field.ts'
import { defaultOf } from '../../protocol/schema/defaults.ts'
import { includesVersion, type VersionRange } from '../../protocol/schema/version-range.ts'
import type { SpecifiedField } from './specification.ts'

/** What nothing in Kafka's specifications says, and the declarations add. */
const OWN_ENTITIES: ReadonlySet<string> = new Set(['topicId', 'host'])

/**
 * Compares declared fields with specified ones at one version, structs within included. Answers what differs, a line each.
 * The order counts: it is the order on the wire.
 */
export function compareFields (declared: Fields, specified: readonly SpecifiedField[], version: number, at: string): string[] {
  const problems: string[] = []
  const here = Object.entries(declared).filter(([, field]) => includesVersion(field.versions, version))
  const there = specified.filter(field => includesVersion(field.versions, version))
  const ours = here.filter(([, field]) => !includesVersion(field.tagged, version)).map(([name]) => name)
  const theirs = there.filter(field => !includesVersion(field.tagged, version)).map(({ name }) => name)
  if (ours.join() !== theirs.join()) problems.push(`${at}: fields are [${ours.join()}], should be [${theirs.join()}]`)
  const tagged = here.filter(([, field]) => includesVersion(field.tagged, version)).map(([name, field]) => `${name}=${field.tag}`).sort()
  const specifiedTagged = there.filter(field => includesVersion(field.tagged, version)).map(({ name, tag }) => `${name}=${tag}`).sort()
  if (tagged.join() !== specifiedTagged.join()) problems.push(`${at}: tagged fields are [${tagged.join()}], should be [${specifiedTagged.join()}]`)

  for (const [name, field] of here) {
    const specifiedField = there.find(other => other.name === name)
    if (specifiedField !== undefined) problems.push(...compareField(field, specifiedField, version, `${at}.${name}`))
  }
  return problems
}

/**
 * Compares what becomes of values that a version cannot carry: dropped or refused, and which value the reader takes instead.
 * `specifications` come newest first; a field is looked up in the first that has it.
 */
export function compareAbsentFields (declared: Fields, specifications: ReadonlyArray<readonly SpecifiedField[]>, versions: VersionRange, at: string): string[] {
  const problems: string[] = []
  for (const [name, field] of Object.entries(declared)) {
    const found = specifications.map(fields => fields.find(other => other.name === name)).filter(other => other !== undefined)
    const [specified] = found
    if (specified === undefined) {
      problems.push(`${at}.${name}: no such field`)
      continue
    }
    const own = { min: Math.max(field.versions.min, versions.min), max: Math.min(field.versions.max, versions.max) }
    if (own.min > versions.min || own.max < versions.max) {
      if (field.ignorable !== specified.ignorable) problems.push(`${at}.${name}: ignorable is ${field.ignorable}, should be ${specified.ignorable}`)
      compareDefault(field, specified, `${at}.${name}`, problems)
    }
    const inner = innerFields(field)
    if (inner !== null) problems.push(...compareAbsentFields(inner, found.map(({ fields }) => fields), own, `${at}.${name}`))
  }
  return problems
}

function innerFields (field: FieldSpec): Fields | null {
  if (field.type === 'struct') return field.fields
  return field.type === 'array' && typeof field.element !== 'string' ? field.element : null
}

function compareField (field: FieldSpec, specified: SpecifiedField, version: number, at: string): string[] {
  const problems: string[] = []
  const check = (what: string, ours: unknown, theirs: unknown): void => {
    if (ours !== theirs) problems.push(`${at}: ${what} is ${shown(ours)}, should be ${shown(theirs)}`)
  }
  check('type', field.type, specified.type)
  check('nullable', includesVersion(field.nullable, version), includesVersion(specified.nullable, version))
  if (field.entity === null || !OWN_ENTITIES.has(field.entity) || specified.entity !== null) check('entity', field.entity, specified.entity)
  compareDefault(field, specified, at, problems)
  if (field.type === 'array') check('element', typeof field.element === 'string' ? field.element : 'struct', specified.element)
  const inner = innerFields(field)
  return inner === null ? problems : [...problems, ...compareFields(inner, specified.fields, version, at)]
}

function compareDefault (field: FieldSpec, specified: SpecifiedField, at: string, problems: string[]): void {
  // Java holds no records as null, here they are no bytes; no version is without them.
  if (field.type === 'records' || field.type !== specified.type) return
  const ours = defaultOf(field)
  if (field.type === 'struct' || field.type === 'array') {
    // Beyond null, what a struct or an array is by default follows from its fields, which are compared.
    if (specified.default !== undefined && specified.default !== null && specified.default !== '') throw new Error(`${at}: a default of ${specified.default} is not known here`)
    if ((ours === null) !== (specified.default === null)) problems.push(`${at}: default is ${shown(ours)}, should be ${shown(specified.default ?? [])}`)
    return
  }
  const theirs = specified.default === null ? null : defaultValue(field.type, specified.default ?? '')
  const same = Buffer.isBuffer(ours) && Buffer.isBuffer(theirs) ? ours.equals(theirs) : Object.is(ours, theirs)
  if (!same) problems.push(`${at}: default is ${shown(ours)}, should be ${shown(theirs)}`)
}

/** The value that the text of a default stands for; that of an empty text is the zero of the type. */
function defaultValue (type: PrimitiveType, text: string): unknown {
  switch (type) {
    case 'bool': return text === 'true'
    case 'int8': case 'int16': case 'uint16': case 'int32': case 'uint32': case 'float64': return Number(text)
    case 'int64': return BigInt(text)
    case 'string': return text
    case 'uuid': return Buffer.alloc(16, text, 'base64url').toString('base64url')
    case 'bytes': case 'records': return Buffer.from(text, 'base64')
  }
}

function shown (value: unknown): string {
  return typeof value === 'bigint' ? `${value}` : JSON.stringify(value)
}
