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

/** How much of the frame is looked at first; more, if it turns out to be too little. */
const WINDOW_BYTES = 512

/** Where the bytes of a frame, its length word included, can be had. */
export interface FrameBytes {
  /** How many have arrived. */
  readonly bytes: number
  readonly totalBytes: number
  /** At least `bytes` bytes from `position` on if that many have arrived, else all that have. */
  from (position: number, bytes: number): Buffer
}

export class ProduceScan {
  readonly #version: number
  readonly #isFlexible: boolean
  /** How much has been understood: always the start of something. */
  #position = LENGTH_BYTES
  #acks: number | null = null
  #topicsLeft = 0
  #partitionsLeft = 0
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
   * @throws {DecodeError}
   */
  readWhole (frame: Buffer): void {
    const reader = new Reader(frame, LENGTH_BYTES)
    while (!this.#isDone()) {
      const skip = this.#read(reader)
      if (skip > reader.remaining) reader.fail(`${skip} bytes of records, ${reader.remaining} are left`)
      reader.offset += skip
    }
  }

  /**
   * Reads on in what has arrived. True once acks and the names of all topics are known.
   * @throws {DecodeError} when the frame is complete and is no Produce request
   */
  advance (frame: FrameBytes): boolean {
    while (!this.#isDone()) {
      if (!this.#step(frame)) return false
    }
    return true
  }

  #isDone (): boolean {
    return this.#acks !== null && this.#topicsLeft === 0
  }

  /** Reads one header, of the request, a topic or a partition. False when it has not arrived in full. */
  #step (frame: FrameBytes): boolean {
    for (let windowBytes = WINDOW_BYTES; ; windowBytes *= 8) {
      if (this.#position > frame.bytes) {
        if (frame.bytes === frame.totalBytes) throw new DecodeError('records reach beyond the end of their request')
        return false
      }
      const reader = new Reader(frame.from(this.#position, windowBytes))
      try {
        const skip = this.#read(reader)
        this.#position += reader.offset + skip
        return true
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        // What cannot be read may be cut off: by the window, or because the rest is still under way.
        if (this.#position + reader.end < frame.bytes) continue
        if (frame.bytes < frame.totalBytes) return false
        throw error
      }
    }
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
