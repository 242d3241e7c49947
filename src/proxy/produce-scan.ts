/**
 * Reads of a Produce request what has to be known before a byte of it may be passed on: whether it wants an answer, and the
 * names of all its topics. Record bytes are skipped by their length and never touched. It can be fed piece by piece: it goes
 * on where it stopped, and a request with one topic is understood as soon as its first bytes are there.
 */
import { Reader } from '../../protocol/buffer/reader.ts'
import { DecodeError } from '../../protocol/errors/protocol-errors.ts'
import { LENGTH_BYTES } from '../../protocol/frame.ts'
import { hasFlexibleRequestHeader, readRequestHeader } from '../../protocol/header.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { PiecewiseReader, type FrameBytes } from './piecewise-reader.ts'
import { MAX_ELEMENTS } from './request-limits.ts'

export class ProduceScan {
  readonly #version: number
  readonly #isFlexible: boolean
  /** Most requests come in one piece, and need none. */
  #pieces: PiecewiseReader | null = null
  #acks: number | null = null
  #topicsLeft = 0
  #partitionsLeft = 0
  /** Topics and partitions that were announced. */
  #rows = 0
  /** How many structs end at the position: of each, the tagged fields come next. */
  #tagsDue = 0
  readonly topics: string[] = []

  /** `version` is one that carries names: up to 12. */
  constructor (version: number) {
    this.#version = version
    this.#isFlexible = hasFlexibleRequestHeader(Produce, version)
  }

  /** Only to be asked once the scan is done. */
  get wantsAnswer (): boolean {
    return this.#acks !== 0
  }

  /**
   * As `advance`, for a frame that lies in one piece.
   * @throws {DecodeError} as `advance`
   */
  readWhole (frame: Buffer): void {
    const reader = new Reader(frame, LENGTH_BYTES)
    reader.elementsLeft = MAX_ELEMENTS
    while (!this.#isDone()) {
      const skip = this.#read(reader)
      this.#checkRows()
      if (skip > reader.remaining) reader.fail(`${skip} bytes of records, ${reader.remaining} are left`)
      reader.offset += skip
    }
  }

  /**
   * Reads on in what has arrived. True once acks and the names of all topics are known.
   * @throws {DecodeError} when it is no Produce request, or one with more rows than are read here
   */
  advance (frame: FrameBytes): boolean {
    const pieces = this.#pieces ??= new PiecewiseReader()
    const read = (reader: Reader): number => this.#read(reader)
    while (!this.#isDone()) {
      if (!pieces.step(frame, read)) return false
      this.#checkRows()
    }
    return true
  }

  #isDone (): boolean {
    return this.#acks !== null && this.#topicsLeft === 0
  }

  #checkRows (): void {
    if (this.#rows > MAX_ELEMENTS) throw new DecodeError(`a Produce request with more than ${MAX_ELEMENTS} topics and partitions`)
  }

  /** Reads what comes next, changes the state only after all of it was read, and returns how many bytes of records follow. */
  #read (reader: Reader): number {
    if (this.#acks === null) return this.#readRequestStart(reader)
    if (this.#tagsDue > 0) {
      reader.unknownTags()
      this.#tagsDue--
      return 0
    }
    if (this.#partitionsLeft > 0) return this.#readPartition(reader)
    return this.#readTopicStart(reader)
  }

  #readRequestStart (reader: Reader): number {
    readRequestHeader(reader, this.#isFlexible)
    if (this.#version >= 3) {
      if (this.#isFlexible) reader.compactNullableString()
      else reader.nullableString()
    }
    const acks = reader.int16()
    reader.int32()
    // Not checked against what is left here: this may be the first piece of a long frame.
    const count = this.#isFlexible ? reader.uvarint() - 1 : reader.int32()
    if (count < 0) reader.fail('the topics are null')
    this.#topicsLeft = count
    this.#rows += count
    this.#acks = acks
    return 0
  }

  #readTopicStart (reader: Reader): number {
    const name = this.#isFlexible ? reader.compactString() : reader.string()
    const count = this.#isFlexible ? reader.uvarint() - 1 : reader.int32()
    if (count < 0) reader.fail('the partitions are null')
    this.topics.push(name)
    this.#topicsLeft--
    this.#partitionsLeft = count
    this.#rows += count
    if (this.#isFlexible && count === 0) this.#tagsDue = 1
    return 0
  }

  #readPartition (reader: Reader): number {
    reader.int32()
    const length = this.#isFlexible ? reader.uvarint() - 1 : reader.int32()
    if (length < -1) reader.fail(`records have length ${length}`)
    this.#partitionsLeft--
    // The end of the last partition is the end of its topic, too.
    if (this.#isFlexible) this.#tagsDue = this.#partitionsLeft === 0 ? 2 : 1
    return Math.max(0, length)
  }
}
