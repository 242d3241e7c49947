/**
 * Kafka's own message specifications, as they lie in the jars. What they mean is said in clients/src/main/resources/common/message/README.md
 * of Apache Kafka and in its generator (org.apache.kafka.message.MessageSpec, FieldSpec, Versions).
 */
import { z } from 'zod'
import type { PrimitiveType } from '../../protocol/schema/field.ts'
import type { VersionRange } from '../../protocol/schema/version-range.ts'
import { readJar } from './jar.ts'
import type { KafkaLine } from './kafka-lines.ts'

export interface Specification {
  readonly name: string
  readonly apiKey: number
  readonly versions: VersionRange
  readonly flexible: VersionRange
  /** True when the newest version may still change. */
  readonly isLatestUnstable: boolean
  readonly fields: readonly SpecifiedField[]
}

export interface SpecifiedField {
  /** As in JSON and here: `topicData` for `TopicData`. */
  readonly name: string
  readonly versions: VersionRange
  readonly nullable: VersionRange
  readonly tag: number | null
  readonly tagged: VersionRange
  readonly ignorable: boolean
  readonly entity: string | null
  readonly type: PrimitiveType | 'struct' | 'array'
  /** Of an array. */
  readonly element: PrimitiveType | 'struct' | null
  /** Of a struct, or of the structs of an array. */
  readonly fields: readonly SpecifiedField[]
  /** Null, or the text of the default; undefined where the specification has none. */
  readonly default: string | null | undefined
}

const PRIMITIVES: ReadonlySet<string> = new Set<PrimitiveType>(['bool', 'int8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'float64', 'uuid', 'string', 'bytes', 'records'])

interface RawField {
  readonly name: string
  readonly type: string
  readonly versions: string
  readonly nullableVersions?: string | undefined
  readonly taggedVersions?: string | undefined
  readonly tag?: number | undefined
  readonly default?: string | undefined
  readonly ignorable: boolean
  readonly entityType?: string | undefined
  readonly fields?: readonly RawField[] | undefined
}

/** Strict: a property that a newer Kafka adds may mean something on the wire, so it must be looked at. */
const rawField: z.ZodType<RawField> = z.lazy(() => z.strictObject({
  name: z.string(),
  type: z.string(),
  versions: z.string(),
  nullableVersions: z.string().optional(),
  taggedVersions: z.string().optional(),
  tag: z.union([z.number().int(), z.string().regex(/^\d+$/).transform(Number)]).optional(),
  default: z.union([z.string(), z.number(), z.boolean()]).transform(String).optional(),
  ignorable: z.union([z.boolean(), z.enum(['true', 'false'])]).transform(value => String(value) === 'true').default(false),
  entityType: z.string().optional(),
  fields: z.array(rawField).optional(),
  // Neither changes what is on the wire: how Java holds the elements, whether it copies the bytes, and what the field is for.
  mapKey: z.boolean().optional(),
  zeroCopy: z.boolean().optional(),
  about: z.string().optional()
}))

const rawSpecification = z.strictObject({
  apiKey: z.number().int(),
  type: z.enum(['request', 'response', 'metadata']),
  listeners: z.array(z.string()).optional(),
  name: z.string(),
  validVersions: z.string(),
  deprecatedVersions: z.string().optional(),
  // Missing where all versions were removed, as are the fields.
  flexibleVersions: z.string().default('none'),
  latestVersionUnstable: z.boolean().default(false),
  commonStructs: z.array(z.strictObject({ name: z.string(), versions: z.string(), fields: z.array(rawField), about: z.string().optional() })).default([]),
  fields: z.array(rawField).default([])
})

/** The specifications of all requests and responses of a line, by name. */
export function readSpecifications (line: KafkaLine): Map<string, Specification> {
  return readAll(line.clientsJar, /^common\/message\/\w+(Request|Response)\.json$/)
}

/** The specifications of all records of the metadata log, by name. */
export function readRecordSpecifications (line: KafkaLine): Map<string, Specification> {
  return readAll(line.metadataJar, /^common\/metadata\/\w+Record\.json$/)
}

function readAll (jar: string, paths: RegExp): Map<string, Specification> {
  const specifications = new Map<string, Specification>()
  for (const [path, text] of readJar(jar, path => paths.test(path))) {
    const raw = rawSpecification.safeParse(JSON.parse(withoutComments(text)))
    if (!raw.success) throw new Error(`${path} of ${jar}: ${raw.error.message}`)
    const specification = specificationOf(raw.data)
    specifications.set(specification.name, specification)
  }
  if (specifications.size === 0) throw new Error(`no specifications in ${jar}`)
  return specifications
}

/** The specifications are JSON with comments, each on a line of its own. */
function withoutComments (text: string): string {
  return text.replace(/^\s*\/\/.*$/gm, '')
}

function specificationOf (raw: z.infer<typeof rawSpecification>): Specification {
  const structs = new Map(raw.commonStructs.map(({ name, fields }) => [name, fields]))
  return {
    name: raw.name,
    apiKey: raw.apiKey,
    versions: range(raw.validVersions),
    flexible: range(raw.flexibleVersions),
    isLatestUnstable: raw.latestVersionUnstable,
    fields: raw.fields.map(field => fieldOf(field))
  }

  function fieldOf (field: RawField): SpecifiedField {
    const isArray = field.type.startsWith('[]')
    const inner = isArray ? field.type.slice(2) : field.type
    const type = isPrimitive(inner) ? inner : 'struct'
    const fields = type === 'struct' ? field.fields ?? structs.get(inner) : []
    if (fields === undefined) throw new Error(`${raw.name} has no struct ${inner}`)
    return {
      name: field.name.charAt(0).toLowerCase() + field.name.slice(1),
      versions: range(field.versions),
      nullable: range(field.nullableVersions ?? 'none'),
      tag: field.tag ?? null,
      tagged: range(field.taggedVersions ?? 'none'),
      ignorable: field.ignorable,
      entity: field.entityType ?? null,
      type: isArray ? 'array' : type,
      element: isArray ? type : null,
      fields: fields.map(inner => fieldOf(inner)),
      default: field.default === 'null' ? null : field.default
    }
  }
}

function isPrimitive (type: string): type is PrimitiveType {
  return PRIMITIVES.has(type)
}

/** Read apart from parseVersionRange, which the declarations use. */
function range (text: string): VersionRange {
  if (text === 'none') return { min: 0, max: -1 }
  const [min = '', max] = text.endsWith('+') ? [text.slice(0, -1), 'Infinity'] : text.split('-')
  return { min: Number(min), max: Number(max ?? min) }
}
