import { isUtf8 } from 'node:buffer'
import { DecodeError } from '../errors/protocol-errors.ts'

/** A tagged field that the declaration does not know, kept so that it can be written back (KIP-482). */
export interface UnknownTag {
  readonly tag: number
  readonly data: Buffer
}

/** No message that fits into memory has as many. A small integer, which V8 keeps in the reader itself. */
const MAX_ELEMENTS = 2 ** 30 - 1

const NO_TAGS: readonly UnknownTag[] = Object.freeze([])

/**
 * Reads Kafka's primitive types from one contiguous buffer. Every read is checked against `end`, in `need()` and nowhere
 * else; a short or impossible read throws DecodeError.
 *
 * Ownership: `bytes`, `records` and tag data are slices of the buffer that was given. Whoever keeps one beyond the turn it
 * was read in either copies it or knowingly keeps the whole frame alive.
 */
export class Reader {
  readonly buffer: Buffer
  /** Of the same bytes. V8 makes one machine instruction of its reads, where Buffer's readInt32BE is six times slower. */
  readonly view: DataView
  offset: number
  readonly end: number
  /** How many elements of arrays, and tagged fields, may still be read: for bytes of somebody who is not trusted with memory. */
  elementsLeft = MAX_ELEMENTS

  constructor (buffer: Buffer, offset = 0, end = buffer.length) {
    this.buffer = buffer
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
    this.offset = offset
    this.end = end
  }

  get remaining (): number {
    return this.end - this.offset
  }

  /** Moves past `count` bytes and returns where they start. For compiled code, which reads them itself. */
  need (count: number, what: string): number {
    const start = this.offset
    if (count > this.end - start) this.fail(`${what} needs ${count} bytes, ${this.end - start} are left`)
    this.offset = start + count
    return start
  }

  fail (message: string): never {
    throw new DecodeError(message, { offset: this.offset })
  }

  bool (): boolean {
    const start = this.need(1, 'boolean')
    return this.buffer[start] !== 0
  }

  int8 (): number {
    return this.view.getInt8(this.need(1, 'int8'))
  }

  int16 (): number {
    return this.view.getInt16(this.need(2, 'int16'))
  }

  uint16 (): number {
    return this.view.getUint16(this.need(2, 'uint16'))
  }

  int32 (): number {
    return this.view.getInt32(this.need(4, 'int32'))
  }

  uint32 (): number {
    return this.view.getUint32(this.need(4, 'uint32'))
  }

  int32Array (): number[] {
    return this.int32s(this.view.getInt32(this.need(4, 'array')))
  }

  compactInt32Array (): number[] {
    return this.int32s(this.uvarint() - 1)
  }

  int64 (): bigint {
    return this.view.getBigInt64(this.need(8, 'int64'))
  }

  float64 (): number {
    return this.view.getFloat64(this.need(8, 'float64'))
  }

  /** A uuid in Kafka's own text form: URL-safe base64 without padding, 22 characters. */
  uuid (): string {
    const start = this.need(16, 'uuid')
    return this.buffer.toString('base64url', start, start + 16)
  }

  /** An unsigned varint of at most 32 bits. */
  uvarint (): number {
    // Most are lengths, and most of those are short.
    const first = this.at(this.need(1, 'varint'))
    if (first < 0x80) return first
    let value = first & 0x7f
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.at(this.need(1, 'varint'))
      // The fifth byte may only hold the top four bits of 32.
      if (shift === 28 && byte > 0x0f) this.fail('varint does not fit into 32 bits')
      // No floating point: one length that came out of it would make `offset` a boxed double in every reader of the process.
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    return this.fail('varint does not fit into 32 bits')
  }

  /** A zig-zag varint of at most 32 bits, as records use it. */
  varint (): number {
    const raw = this.uvarint()
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** A zig-zag varint of at most 64 bits. */
  varlong (): bigint {
    let low = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.at(this.need(1, 'varlong'))
      if (shift === 63n && byte > 1) this.fail('varlong does not fit into 64 bits')
      low |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, (low >> 1n) ^ -(low & 1n))
    }
    return this.fail('varlong does not fit into 64 bits')
  }

  string (): string {
    return this.text(this.notNull(this.int16(), 'string'))
  }

  nullableString (): string | null {
    const length = this.int16()
    return this.isNull(length, 'string') ? null : this.text(length)
  }

  compactString (): string {
    return this.text(this.notNull(this.uvarint() - 1, 'string'))
  }

  compactNullableString (): string | null {
    const length = this.uvarint() - 1
    return length === -1 ? null : this.text(length)
  }

  bytes (): Buffer {
    return this.slice(this.notNull(this.int32(), 'bytes'))
  }

  nullableBytes (): Buffer | null {
    const length = this.int32()
    return this.isNull(length, 'bytes') ? null : this.slice(length)
  }

  compactBytes (): Buffer {
    return this.slice(this.notNull(this.uvarint() - 1, 'bytes'))
  }

  compactNullableBytes (): Buffer | null {
    const length = this.uvarint() - 1
    return length === -1 ? null : this.slice(length)
  }

  /**
   * The element count of an array. `minElementBytes` is the least that one element can take on the wire: a count that
   * could not possibly fit into what is left is refused before anything is allocated for it.
   */
  arrayLength (minElementBytes: number): number {
    return this.count(this.notNull(this.int32(), 'array'), minElementBytes)
  }

  nullableArrayLength (minElementBytes: number): number {
    const count = this.int32()
    return this.isNull(count, 'array') ? -1 : this.count(count, minElementBytes)
  }

  compactArrayLength (minElementBytes: number): number {
    return this.count(this.notNull(this.uvarint() - 1, 'array'), minElementBytes)
  }

  compactNullableArrayLength (minElementBytes: number): number {
    const count = this.uvarint() - 1
    return count === -1 ? -1 : this.count(count, minElementBytes)
  }

  /** True when a nullable struct is present (KIP-893: one byte, negative for null). */
  structPresent (): boolean {
    return this.int8() >= 0
  }

  /** Tagged fields, none of which is known here. */
  unknownTags (): readonly UnknownTag[] {
    const count = this.count(this.uvarint(), 2)
    if (count === 0) return NO_TAGS
    const tags: UnknownTag[] = []
    let previous = -1
    for (let index = 0; index < count; index++) {
      const tag = this.tagAfter(previous)
      tags.push({ tag, data: this.slice(this.uvarint()) })
      previous = tag
    }
    return tags
  }

  /** The number of tagged fields that follow. */
  tagCount (): number {
    return this.count(this.uvarint(), 2)
  }

  /** The next tag, which must be greater than the one before. */
  tagAfter (previous: number): number {
    const tag = this.uvarint()
    if (tag <= previous) this.fail(`tag ${tag} follows tag ${previous}`)
    return tag
  }

  /** Where the tagged field that starts here must end. */
  tagEnd (): number {
    const size = this.uvarint()
    if (size > this.end - this.offset) this.fail(`tagged field of ${size} bytes, ${this.end - this.offset} are left`)
    return this.offset + size
  }

  /** Called after the last byte of a message: left-over bytes mean that it was not the message we took it for. */
  finish (): void {
    if (this.offset !== this.end) this.fail(`${this.end - this.offset} bytes are left over`)
  }

  slice (length: number): Buffer {
    const start = this.need(length, 'bytes')
    return this.buffer.subarray(start, start + length)
  }

  private int32s (count: number): number[] {
    if (count < 0) this.notNull(count, 'array')
    const start = this.need(4 * count, 'int32 array')
    this.allow(count)
    const { view } = this
    // Most are the replicas of a partition. An array that is made with its elements costs half of one that grows.
    switch (count) {
      case 0: return arrayOf()
      case 1: return arrayOf(view.getInt32(start))
      case 2: return arrayOf(view.getInt32(start), view.getInt32(start + 4))
      case 3: return arrayOf(view.getInt32(start), view.getInt32(start + 4), view.getInt32(start + 8))
    }
    const values: number[] = []
    for (let index = 0; index < count; index++) values.push(view.getInt32(start + 4 * index))
    return values
  }

  /** A byte that is known to be there. */
  private at (offset: number): number {
    return this.buffer[offset] ?? 0
  }

  private text (length: number): string {
    const start = this.need(length, 'string')
    const text = this.buffer.toString('utf8', start, start + length)
    // Decoding replaces what is not UTF-8, so writing it back would give other bytes. Only a replacement character can hide that.
    if (text.includes('�') && !isUtf8(this.buffer.subarray(start, start + length))) this.fail('string is not UTF-8')
    return text
  }

  private notNull (length: number, what: string): number {
    if (length < 0) this.fail(length === -1 ? `${what} is null where it must not be` : `${what} has length ${length}`)
    return length
  }

  private isNull (length: number, what: string): boolean {
    if (length < -1) this.fail(`${what} has length ${length}`)
    return length === -1
  }

  private count (count: number, minElementBytes: number): number {
    if (count * minElementBytes > this.end - this.offset) this.fail(`array of ${count} elements, ${this.end - this.offset} bytes are left`)
    this.allow(count)
    return count
  }

  private allow (count: number): void {
    this.elementsLeft -= count
    if (this.elementsLeft < 0) this.fail('more elements than are allowed')
  }
}

/**
 * An array of these values. Not a literal: of what a literal makes V8 counts how much outlives a collection of garbage. One that
 * comes while the first message is read or held finds all of it alive, and from then on V8 makes it where only a full collection
 * finds it dead: four times slower, for as long as it stays so. Of rest parameters and constructors it counts nothing.
 */
export function arrayOf<Value> (...values: Value[]): Value[] {
  return values
}
