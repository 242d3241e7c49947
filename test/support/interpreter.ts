/**
 * A second, slow reading of message declarations, written apart from the compiler and from Reader and Writer: it walks the
 * declaration for every field and knows the wire format in its own words. Compiled and interpreted code must agree on every message.
 */
import type { Message } from '../../protocol/schema/api.ts'
import type { FieldSpec, Fields, PrimitiveType } from '../../protocol/schema/field.ts'
import { defaultOf } from '../../protocol/schema/defaults.ts'
import { includesVersion } from '../../protocol/schema/version-range.ts'

type Struct = Record<string, unknown>

/** Writes a complete value (every field present) of a message. */
export function interpretWrite (message: Message, version: number, value: Struct): Buffer {
  const flexible = includesVersion(message.flexible, version)
  return writeStruct(message.fields, value)

  function writeStruct (fields: Fields, struct: Struct): Buffer {
    const parts: Buffer[] = []
    const tags = new Map<number, Buffer>()
    for (const [name, field] of Object.entries(fields)) {
      if (!includesVersion(field.versions, version)) continue
      if (includesVersion(field.tagged, version)) {
        if (!same(struct[name], defaultOf(field))) tags.set(Number(field.tag), writeValue(field, struct[name]))
      } else parts.push(writeValue(field, struct[name]))
    }
    if (flexible) {
      for (const { tag, data } of (struct['unknownTags'] ?? []) as Array<{ tag: number, data: Buffer }>) tags.set(tag, data)
      parts.push(unsigned(tags.size))
      for (const [tag, data] of [...tags].sort(([a], [b]) => a - b)) parts.push(unsigned(tag), unsigned(data.length), data)
    }
    return Buffer.concat(parts)
  }

  function writeValue (field: FieldSpec, value: unknown): Buffer {
    const nullable = includesVersion(field.nullable, version)
    if (value === null && !nullable) throw new Error('null where it must not be')
    if (field.type === 'struct') {
      if (!nullable) return writeStruct(field.fields, value as Struct)
      return value === null ? Buffer.from([0xff]) : Buffer.concat([Buffer.from([1]), writeStruct(field.fields, value as Struct)])
    }
    if (field.type === 'array') {
      if (value === null) return length(-1, 4)
      const element = field.element
      const items = (value as unknown[]).map(item => typeof element === 'string' ? writePrimitive(element, item) : writeStruct(element, item as Struct))
      return Buffer.concat([length(items.length, 4), ...items])
    }
    return writePrimitive(field.type, value)
  }

  function writePrimitive (type: PrimitiveType, value: unknown): Buffer {
    const fixed = Buffer.alloc(8)
    switch (type) {
      case 'bool': return Buffer.from([value === true ? 1 : 0])
      case 'int8': fixed.writeInt8(value as number); return fixed.subarray(0, 1)
      case 'int16': fixed.writeInt16BE(value as number); return fixed.subarray(0, 2)
      case 'uint16': fixed.writeUInt16BE(value as number); return fixed.subarray(0, 2)
      case 'int32': fixed.writeInt32BE(value as number); return fixed.subarray(0, 4)
      case 'uint32': fixed.writeUInt32BE(value as number); return fixed.subarray(0, 4)
      case 'int64': fixed.writeBigInt64BE(value as bigint); return fixed
      case 'float64': fixed.writeDoubleBE(value as number); return fixed
      case 'uuid': return Buffer.from(value as string, 'base64url')
      case 'string': {
        if (value === null) return length(-1, 2)
        const text = Buffer.from(value as string, 'utf8')
        return Buffer.concat([length(text.length, 2), text])
      }
      case 'bytes': case 'records':
        if (value === null) return length(-1, 4)
        return Buffer.concat([length((value as Buffer).length, 4), value as Buffer])
    }
  }

  function length (count: number, bytes: 2 | 4): Buffer {
    if (flexible) return unsigned(count + 1)
    const buffer = Buffer.alloc(bytes)
    buffer.writeIntBE(count, 0, bytes)
    return buffer
  }
}

/** Reads a message. Throws a plain Error on bytes that are not one. */
export function interpretRead (message: Message, version: number, buffer: Buffer): Struct {
  const flexible = includesVersion(message.flexible, version)
  let offset = 0
  const value = readStruct(message.fields)
  if (offset !== buffer.length) throw new Error('bytes left over')
  return value

  function take (count: number): Buffer {
    if (count < 0 || offset + count > buffer.length) throw new Error('short')
    offset += count
    return buffer.subarray(offset - count, offset)
  }

  function readUnsigned (): number {
    let result = 0
    for (let place = 1; ; place *= 128) {
      const byte = take(1)[0] ?? 0
      result += (byte % 128) * place
      if (byte < 128) return result
    }
  }

  function readLength (bytes: 2 | 4): number {
    return flexible ? readUnsigned() - 1 : take(bytes).readIntBE(0, bytes)
  }

  function readStruct (fields: Fields): Struct {
    const struct: Struct = {}
    for (const [name, field] of Object.entries(fields)) {
      const here = includesVersion(field.versions, version) && !includesVersion(field.tagged, version)
      struct[name] = here ? readValue(field) : defaultOf(field)
    }
    const unknownTags: Array<{ tag: number, data: Buffer }> = []
    for (let left = flexible ? readUnsigned() : 0; left > 0; left--) {
      const tag = readUnsigned()
      const size = readUnsigned()
      const known = Object.entries(fields).find(([, field]) => field.tag === tag && includesVersion(field.tagged, version))
      if (known === undefined) unknownTags.push({ tag, data: take(size) })
      else struct[known[0]] = readValue(known[1])
    }
    struct['unknownTags'] = unknownTags
    return struct
  }

  function readValue (field: FieldSpec): unknown {
    if (field.type === 'struct') {
      if (includesVersion(field.nullable, version) && take(1).readInt8() < 0) return null
      return readStruct(field.fields)
    }
    if (field.type === 'array') {
      const count = readLength(4)
      if (count < 0) return null
      const element = field.element
      return Array.from({ length: count }, () => typeof element === 'string' ? readPrimitive(element) : readStruct(element))
    }
    return readPrimitive(field.type)
  }

  function readPrimitive (type: PrimitiveType): unknown {
    switch (type) {
      case 'bool': return take(1)[0] !== 0
      case 'int8': return take(1).readInt8()
      case 'int16': return take(2).readInt16BE()
      case 'uint16': return take(2).readUInt16BE()
      case 'int32': return take(4).readInt32BE()
      case 'uint32': return take(4).readUInt32BE()
      case 'int64': return take(8).readBigInt64BE()
      case 'float64': return take(8).readDoubleBE()
      case 'uuid': return take(16).toString('base64url')
      case 'string': {
        const count = readLength(2)
        return count < 0 ? null : take(count).toString('utf8')
      }
      case 'bytes': case 'records': {
        const count = readLength(4)
        return count < 0 ? null : take(count)
      }
    }
  }
}

function unsigned (value: number): Buffer {
  const bytes: number[] = []
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push(value % 128 + 128)
  return Buffer.from([...bytes, value])
}

function same (a: unknown, b: unknown): boolean {
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return a.equals(b)
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return Object.is(a, b)
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].every(key => same((a as Struct)[key], (b as Struct)[key]))
}
