/** A piece of a partition's log: batches one after the other, in memory or in a file. */
export interface Segment {
  /** Offset of the first batch that was, or will be, written here. */
  readonly baseOffset: number
  readonly sizeBytes: number
  /** True when `bytes` more may be written here; an empty segment takes anything. */
  hasRoom (bytes: number): boolean
  /** Writes at the end and returns the position of what was written. */
  append (bytes: Buffer): number
  /** The bytes at a position. In memory it is a slice that must not be changed. */
  read (position: number, bytes: number): Buffer
  /** Forgets everything from `sizeBytes` on. */
  truncate (sizeBytes: number): void
  close (): void
  /** Closes it, and removes what it left on disk. */
  remove (): void
}

/** Makes the segments of one partition. */
export interface SegmentStorage {
  create (baseOffset: number, firstBatchBytes: number): Segment
  /** The segments that an earlier run left, in the order of their offsets. */
  open (): Segment[]
  /** The log start that an earlier run left. */
  readLogStart (): number
  writeLogStart (offset: number): void
  /** Removes everything that belongs to the partition. Its segments have been removed before. */
  remove (): void
}
