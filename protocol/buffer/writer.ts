import type { UnknownTag } from './reader.ts'
import { EncodeError } from '../errors/protocol-errors.ts'

/** Slices from this size on are referenced, not copied: below it, one more entry in a gather write costs more than the copy. */
const REFERENCE_BYTES = 4096

const MAX_UNSIGNED_32 = 2 ** 32 - 1

/**
 * Writes Kafka's primitive types. The result is a list of buffers for one gather write: what is small lies in buffers of the
 * writer's own, what is large (record batches) is referenced where it is, untouched. Values that a type cannot hold throw EncodeError.
 */
export class Writer {
  #buffer: Buffer
  /** Where in `#buffer` the bytes start that are not yet in `#chunks`. */
  #start = 0
  #offset = 0
  #chunks: Buffer[] = []
  #chunkedBytes = 0

  constructor (initialBytes = 256) {
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** How many bytes have been written so far. */
  get length (): number {
    return this.#chunkedBytes + this.#offset - this.#start
  }

  /** All that was written, in order. The writer must not be used afterwards. */
  finish (): Buffer[] {
    this.#flush()
    return this.#chunks
  }

  #flush (): void {
    if (this.#offset === this.#start) return
    this.#push(this.#buffer.subarray(this.#start, this.#offset))
    this.#start = this.#offset
  }

  #push (chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#chunkedBytes += chunk.length
  }

  #reserve (count: number): number {
    const start = this.#offset
    if (start + count > this.#buffer.length) return this.#grow(count)
    this.#offset = start + count
    return start
  }

  #grow (count: number): number {
    const pending = this.#offset - this.#start
    const next = Buffer.allocUnsafeSlow(Math.max(2 * this.#buffer.length, pending + count))
    this.#buffer.copy(next, 0, this.#start, this.#offset)
    this.#buffer = next
    this.#start = 0
    this.#offset = pending + count
    return pending
  }

  bool (value: boolean): void {
    if (typeof value !== 'boolean') refuse('boolean', value)
    const at = this.#reserve(1)
    this.#buffer[at] = value ? 1 : 0
  }

  int8 (value: number): void {
    if ((value << 24 >> 24) !== value) refuse('int8', value)
    const at = this.#reserve(1)
    this.#buffer[at] = value
  }

  int16 (value: number): void {
    if ((value << 16 >> 16) !== value) refuse('int16', value)
    const at = this.#reserve(2)
    const buffer = this.#buffer
    buffer[at] = value >>> 8
    buffer[at + 1] = value
  }

  uint16 (value: number): void {
    if ((value & 0xffff) !== value) refuse('uint16', value)
    const at = this.#reserve(2)
    const buffer = this.#buffer
    buffer[at] = value >>> 8
    buffer[at + 1] = value
  }

  int32 (value: number): void {
    if ((value | 0) !== value) refuse('int32', value)
    this.#put32(value)
  }

  uint32 (value: number): void {
    if (value >>> 0 !== value) refuse('uint32', value)
    this.#put32(value)
  }

  #put32 (value: number): void {
    const at = this.#reserve(4)
    const buffer = this.#buffer
    buffer[at] = value >>> 24
    buffer[at + 1] = value >>> 16
    buffer[at + 2] = value >>> 8
    buffer[at + 3] = value
  }

  int64 (value: bigint): void {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) refuse('int64', value)
    const at = this.#reserve(8)
    this.#buffer.writeBigInt64BE(value, at)
  }

  float64 (value: number): void {
    if (typeof value !== 'number') refuse('float64', value)
    const at = this.#reserve(8)
    this.#buffer.writeDoubleBE(value, at)
  }

  /** A uuid in Kafka's own text form (see Reader.uuid). */
  uuid (value: string): void {
    const at = this.#reserve(16)
    if (typeof value !== 'string' || value.length !== 22 || this.#buffer.write(value, at, 16, 'base64url') !== 16) refuse('uuid', value)
  }

  uvarint (value: number): void {
    if (!(value >= 0 && value <= MAX_UNSIGNED_32 && Number.isInteger(value))) refuse('unsigned varint', value)
    let rest = value
    while (rest > 0x7f) {
      const at = this.#reserve(1)
      this.#buffer[at] = (rest & 0x7f) | 0x80
      rest = rest >>> 7
    }
    const at = this.#reserve(1)
    this.#buffer[at] = rest
  }

  varint (value: number): void {
    if ((value | 0) !== value) refuse('varint', value)
    this.uvarint(((value << 1) ^ (value >> 31)) >>> 0)
  }

  varlong (value: bigint): void {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) refuse('varlong', value)
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    while (rest > 0x7fn) {
      const at = this.#reserve(1)
      this.#buffer[at] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    const at = this.#reserve(1)
    this.#buffer[at] = Number(rest)
  }

  string (value: string): void {
    const length = textBytes(value)
    if (length > 0x7fff) throw new EncodeError(`a string of ${length} bytes is longer than 32767`)
    this.int16(length)
    this.#text(value, length)
  }

  nullableString (value: string | null): void {
    if (value === null) this.int16(-1)
    else this.string(value)
  }

  compactString (value: string): void {
    const length = textBytes(value)
    this.uvarint(length + 1)
    this.#text(value, length)
  }

  compactNullableString (value: string | null): void {
    if (value === null) this.uvarint(0)
    else this.compactString(value)
  }

  bytes (value: Buffer): void {
    if (!Buffer.isBuffer(value)) refuse('bytes', value)
    this.int32(value.length)
    this.raw(value)
  }

  nullableBytes (value: Buffer | null): void {
    if (value === null) this.int32(-1)
    else this.bytes(value)
  }

  compactBytes (value: Buffer): void {
    if (!Buffer.isBuffer(value)) refuse('bytes', value)
    this.uvarint(value.length + 1)
    this.raw(value)
  }

  compactNullableBytes (value: Buffer | null): void {
    if (value === null) this.uvarint(0)
    else this.compactBytes(value)
  }

  arrayLength (count: number): void {
    this.int32(count)
  }

  compactArrayLength (count: number): void {
    this.uvarint(count + 1)
  }

  /** The byte before a nullable struct (KIP-893). */
  structPresent (present: boolean): void {
    this.int8(present ? 1 : -1)
  }

  /**
   * The tagged fields of a struct. Known and unknown ones are written together in the order of their tags.
   * `known` holds each known field that differs from its default, already written to a writer of its own, in tag order.
   */
  tags (known: ReadonlyArray<{ readonly tag: number, readonly content: Writer }>, unknown: readonly UnknownTag[]): void {
    this.uvarint(known.length + unknown.length)
    let next = 0
    for (const { tag, content } of known) {
      next = this.#tagsBelow(tag, unknown, next)
      if (unknown[next]?.tag === tag) throw new EncodeError(`tag ${tag} is given both as a field and as an unknown tag`)
      this.uvarint(tag)
      this.uvarint(content.length)
      for (const chunk of content.finish()) this.raw(chunk)
    }
    this.#tagsBelow(Infinity, unknown, next)
  }

  /** Writes the tags below `limit`, from the one at `next` on. Returns where the first one of the others is. */
  #tagsBelow (limit: number, unknown: readonly UnknownTag[], next: number): number {
    let index = next
    for (let tag = unknown[index]; tag !== undefined && tag.tag < limit; tag = unknown[++index]) {
      const before = unknown[index - 1]
      if (before !== undefined && before.tag >= tag.tag) throw new EncodeError(`unknown tag ${tag.tag} follows tag ${before.tag}`)
      this.#tag(tag)
    }
    return index
  }

  #tag ({ tag, data }: UnknownTag): void {
    this.uvarint(tag)
    this.uvarint(data.length)
    this.raw(data)
  }

  /** Bytes as they are. Large ones are referenced: they must not change before they are sent. */
  raw (value: Buffer): void {
    if (value.length >= REFERENCE_BYTES) {
      this.#flush()
      this.#push(value)
      return
    }
    const at = this.#reserve(value.length)
    value.copy(this.#buffer, at)
  }

  #text (value: string, length: number): void {
    const at = this.#reserve(length)
    this.#buffer.write(value, at, length, 'utf8')
  }
}

function textBytes (value: string): number {
  if (typeof value !== 'string') refuse('string', value)
  return Buffer.byteLength(value, 'utf8')
}

function refuse (type: string, value: unknown): never {
  const shown = typeof value === 'number' || typeof value === 'bigint' ? String(value) : typeof value
  throw new EncodeError(`${shown} is not a value of type ${type}`)
}
