/**
 * Messages as the JSON of Kafka's generated converters (org.apache.kafka.common.message.*JsonConverter): bytes in base64, a
 * number for each integer however large, and no field that the version lacks.
 */
import type { Message } from '../../protocol/schema/api.ts'
import type { FieldSpec, Fields, PrimitiveType } from '../../protocol/schema/field.ts'
import { defaultOf } from '../../protocol/schema/defaults.ts'
import { includesVersion } from '../../protocol/schema/version-range.ts'

type Struct = Readonly<Record<string, unknown>>

/** JSON text of a complete value. JSON.stringify knows no integers beyond 2^53, so it is used for text only. */
export function toJson (message: Message, version: number, value: Struct): string {
  return struct(message.fields, value)

  function struct (fields: Fields, value: Struct): string {
    const members = Object.entries(fields)
      .filter(([, field]) => includesVersion(field.versions, version))
      .map(([name, field]) => `"${name}":${member(field, value[name])}`)
    return `{${members.join()}}`
  }

  function member (field: FieldSpec, value: unknown): string {
    if (value === null) return 'null'
    if (field.type === 'struct') return struct(field.fields, asStruct(value))
    if (field.type !== 'array') return primitive(field.type, value)
    const element = field.element
    return `[${asArray(value).map(item => typeof element === 'string' ? primitive(element, item) : struct(element, asStruct(item))).join()}]`
  }
}

function primitive (type: PrimitiveType, value: unknown): string {
  if (Buffer.isBuffer(value)) return `"${value.toString('base64')}"`
  // Jackson tells the kinds of numbers apart by their look: a float has a point or an exponent.
  if (type === 'float64') return Number(value).toExponential()
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value)
}

/**
 * The value that a converter wrote as JSON with numbers as text. Converters leave records out: those that are not null are empty here.
 * @throws {Error} for anything else than the JSON of this message.
 */
export function fromJson (message: Message, version: number, json: string): Record<string, unknown> {
  return struct(message.fields, JSON.parse(json))

  function struct (fields: Fields, json: unknown): Record<string, unknown> {
    const members = new Map(Object.entries(asStruct(json)))
    const value: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(fields)) {
      const isHere = includesVersion(field.versions, version)
      // A tagged field that has its default is not written.
      if (isHere && !members.has(name) && !includesVersion(field.tagged, version)) throw new Error(`${name} is missing`)
      value[name] = isHere && members.has(name) ? member(field, members.get(name)) : defaultOf(field)
      members.delete(name)
    }
    if (members.size > 0) throw new Error(`unknown members ${[...members.keys()].join()}`)
    value['unknownTags'] = []
    return value
  }

  function member (field: FieldSpec, json: unknown): unknown {
    if (json === null) return null
    if (field.type === 'struct') return struct(field.fields, json)
    if (field.type !== 'array') return parsePrimitive(field.type, json)
    const element = field.element
    return asArray(json).map(item => typeof element === 'string' ? parsePrimitive(element, item) : struct(element, item))
  }
}

function parsePrimitive (type: PrimitiveType, json: unknown): unknown {
  if (type === 'bool') return json
  if (typeof json !== 'string') throw new Error(`${JSON.stringify(json)} for ${type}`)
  switch (type) {
    case 'int8': case 'int16': case 'uint16': case 'int32': case 'uint32': case 'float64': return Number(json)
    case 'int64': return BigInt(json)
    case 'string': case 'uuid': return json
    case 'bytes': case 'records': return Buffer.from(json, 'base64')
  }
}

/** A copy of a complete value as `fromJson` can give it: without unknown tags, and with empty records. */
export function asJsonShows (fields: Fields, value: Struct): Record<string, unknown> {
  const copy: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) copy[name] = member(field, value[name])
  copy['unknownTags'] = []
  return copy

  function member (field: FieldSpec, value: unknown): unknown {
    if (value === null) return null
    if (field.type === 'struct') return asJsonShows(field.fields, asStruct(value))
    if (field.type === 'records') return Buffer.alloc(0)
    const element = field.type === 'array' ? field.element : null
    return element === null || typeof element === 'string' ? value : asArray(value).map(item => asJsonShows(element, asStruct(item)))
  }
}

/** A copy of a complete value without unknown tags, which JSON has no place for. */
export function withoutUnknownTags (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUnknownTags)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, name === 'unknownTags' ? [] : withoutUnknownTags(inner)]))
}

function asStruct (value: unknown): Struct {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Buffer.isBuffer(value)) throw new Error(`${String(value)} is not a struct`)
  return Object.fromEntries(Object.entries(value))
}

function asArray (value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${String(value)} is not an array`)
  return value
}
