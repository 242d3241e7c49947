import type { Message } from '../../protocol/schema/api.ts'
import type { FieldSpec, Fields, PrimitiveType } from '../../protocol/schema/field.ts'
import { defaultOf } from '../../protocol/schema/defaults.ts'
import { includesVersion } from '../../protocol/schema/version-range.ts'
import type { Random } from './random.ts'

export interface RandomMessageOptions {
  /** Add tagged fields that no declaration knows. */
  readonly unknownTags?: boolean
  /** Leave half of the fields at their default. */
  readonly sparse?: boolean
}

/** A complete random value of a message: fields that the version lacks have their default. */
export function randomMessage (message: Message, version: number, random: Random, options: RandomMessageOptions = {}): Record<string, unknown> {
  const flexible = includesVersion(message.flexible, version)
  return struct(message.fields, 0)

  function struct (fields: Fields, depth: number): Record<string, unknown> {
    const value: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(fields)) {
      value[name] = includesVersion(field.versions, version) ? fieldValue(field, depth) : defaultOf(field)
    }
    value['unknownTags'] = flexible && options.unknownTags === true && random.below(4) === 0 ? unknownTags() : []
    return value
  }

  function fieldValue (field: FieldSpec, depth: number): unknown {
    if (options.sparse === true && random.below(2) === 0) return defaultOf(field)
    if (includesVersion(field.tagged, version) && random.below(2) === 0) return defaultOf(field)
    if (includesVersion(field.nullable, version) && random.below(4) === 0) return null
    if (field.type === 'struct') return struct(field.fields, depth + 1)
    if (field.type === 'array') {
      const element = field.element
      // More than 127 make a compact length of two bytes.
      const count = typeof element === 'string' && random.below(16) === 0 ? 130 : random.below(depth > 1 ? 3 : 4)
      return Array.from({ length: count }, () => typeof element === 'string' ? primitive(element) : struct(element, depth + 1))
    }
    return primitive(field.type)
  }

  function unknownTags (): Array<{ tag: number, data: Buffer }> {
    const first = 100 + random.below(1000)
    return [{ tag: first, data: random.bytes(random.below(20)) }, { tag: first + 1 + random.below(100000), data: random.bytes(3) }]
  }

  function primitive (type: PrimitiveType): unknown {
    switch (type) {
      case 'bool': return random.below(2) === 1
      case 'int8': return random.edgeInteger(8)
      case 'int16': return random.edgeInteger(16)
      case 'uint16': return random.below(0x10000)
      case 'int32': return random.edgeInteger(32)
      case 'uint32': return random.below(0x100000000)
      case 'int64': return random.edgeBigint()
      case 'float64': return random.pick([0, -1.5, 1e300, Math.PI, random.below(1000) / 8])
      case 'uuid': return random.bytes(16).toString('base64url')
      case 'string': return random.text()
      case 'bytes': case 'records': return random.bytes(random.pick([0, 1, 5, 200, 5000]))
    }
  }
}
