import { ZERO_UUID, type FieldSpec, type PrimitiveType, type StructSpec } from './field.ts'

const ZEROS: Readonly<Record<PrimitiveType, unknown>> = {
  bool: false,
  int8: 0,
  int16: 0,
  uint16: 0,
  int32: 0,
  uint32: 0,
  int64: 0n,
  float64: 0,
  uuid: ZERO_UUID,
  string: '',
  bytes: Buffer.alloc(0),
  records: Buffer.alloc(0)
}

/** The value that a field has in a version that lacks it, and that a tagged field has when it is not sent. */
export function defaultOf (field: FieldSpec): unknown {
  if (field.default !== undefined) return field.default
  if (field.type === 'array') return []
  if (field.type === 'struct') return defaultStruct(field)
  return ZEROS[field.type]
}

function defaultStruct (field: StructSpec): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  for (const [name, inner] of Object.entries(field.fields)) value[name] = defaultOf(inner)
  value['unknownTags'] = []
  return value
}

/** JavaScript source of a field's default. */
export function defaultSource (field: FieldSpec): string {
  return source(defaultOf(field))
}

function source (value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (Buffer.isBuffer(value)) return 'k.noBytes'
  if (Array.isArray(value)) return 'k.none'
  if (typeof value === 'object' && value !== null) {
    return `{ ${Object.entries(value).map(([name, inner]) => `${name}: ${source(inner)}`).join(', ')} }`
  }
  return JSON.stringify(value)
}

/** JavaScript source of the question whether `value` is the field's default; `undefined` counts as the default. */
export function isDefaultSource (field: FieldSpec, value: string): string {
  if (field.default === null) return `(${value} === undefined || ${value} === null)`
  switch (field.type) {
    case 'struct': return isDefaultStructSource(field, value)
    case 'array': case 'bytes': case 'records': return `(${value} === undefined || (${value} !== null && ${value}.length === 0))`
    default: return `(${value} === undefined || ${value} === ${defaultSource(field)})`
  }
}

function isDefaultStructSource (field: StructSpec, value: string): string {
  const parts = Object.entries(field.fields).map(([name, inner]) => isDefaultSource(inner, `${value}.${name}`))
  parts.push(`(${value}.unknownTags === undefined || ${value}.unknownTags.length === 0)`)
  return `(${value} === undefined || (${value} !== null && ${parts.join(' && ')}))`
}
