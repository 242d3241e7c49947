/**
 * Segments as files, named like Kafka's: `00000000000000000042.log`. Writes go to the page cache and are not synced: they
 * survive the end of the process, not that of the machine, as Kafka's own do between flushes. Reads and writes are
 * synchronous: this broker is for demonstrations and tests, and a queue per partition would buy it nothing.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, readSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../atomic-file.ts'
import type { Segment, SegmentStorage } from './segment.ts'

const NAME = /^(\d{20})\.log$/
const LOG_START_FILE = 'log-start-offset'

class FileSegment implements Segment {
  readonly baseOffset: number
  readonly #path: string
  readonly #file: number
  readonly #maxBytes: number
  #sizeBytes: number

  constructor (directory: string, baseOffset: number, maxBytes: number) {
    this.baseOffset = baseOffset
    this.#path = join(directory, `${String(baseOffset).padStart(20, '0')}.log`)
    this.#file = openSync(this.#path, 'a+')
    this.#maxBytes = maxBytes
    this.#sizeBytes = statSync(this.#path).size
  }

  get sizeBytes (): number {
    return this.#sizeBytes
  }

  hasRoom (bytes: number): boolean {
    return this.#sizeBytes === 0 || this.#sizeBytes + bytes <= this.#maxBytes
  }

  append (bytes: Buffer): number {
    const position = this.#sizeBytes
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(this.#file, bytes, written, bytes.length - written)
    } catch (error) {
      // A full disk: half a batch must not stay in front of the next one.
      ftruncateSync(this.#file, position)
      throw error
    }
    this.#sizeBytes += bytes.length
    return position
  }

  read (position: number, bytes: number): Buffer {
    const buffer = Buffer.allocUnsafeSlow(bytes)
    let filled = 0
    while (filled < bytes) {
      const read = readSync(this.#file, buffer, filled, bytes - filled, position + filled)
      if (read === 0) break
      filled += read
    }
    return filled === bytes ? buffer : buffer.subarray(0, filled)
  }

  truncate (sizeBytes: number): void {
    ftruncateSync(this.#file, sizeBytes)
    this.#sizeBytes = sizeBytes
  }

  close (): void {
    closeSync(this.#file)
  }

  remove (): void {
    closeSync(this.#file)
    rmSync(this.#path, { force: true })
  }
}

export class FileStorage implements SegmentStorage {
  readonly #directory: string
  readonly #maxBytes: () => number

  /** `maxBytes` is asked for every new segment, since `segment.bytes` can change. */
  constructor (directory: string, maxBytes: () => number) {
    this.#directory = directory
    this.#maxBytes = maxBytes
    mkdirSync(directory, { recursive: true })
  }

  create (baseOffset: number): Segment {
    return new FileSegment(this.#directory, baseOffset, this.#maxBytes())
  }

  open (): Segment[] {
    return readdirSync(this.#directory)
      .map(name => NAME.exec(name)?.[1])
      .filter(digits => digits !== undefined)
      .sort()
      .map(digits => new FileSegment(this.#directory, Number(digits), this.#maxBytes()))
  }

  readLogStart (): number {
    try {
      const offset = Number(readFileSync(join(this.#directory, LOG_START_FILE), 'utf8'))
      return Number.isSafeInteger(offset) ? offset : 0
    } catch {
      // Never written: the log starts where its first batch does.
      return 0
    }
  }

  writeLogStart (offset: number): void {
    writeFileAtomic(join(this.#directory, LOG_START_FILE), String(offset))
  }

  remove (): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
