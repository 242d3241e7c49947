/**
 * Memory that nobody uses is made page cache, as it is on a machine that has been up for a while. On a virtual machine memory that was
 * never used before, or was given back to the host, has to be got from there page by page: whoever writes a log is three times slower.
 */
import { mkdtemp, open, readFile, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { throwIfAborted } from '../src/net/abort.ts'

/** What the kernel keeps free by itself, and some more. */
const LEFT_BYTES = 400e6
const CHUNK_BYTES = 4 * 1024 * 1024
const STEP_BYTES = 64 * CHUNK_BYTES
/** Longer than anybody can read it; none of it lies on the disk. */
const FILE_BYTES = 2 ** 40

export class FreeMemory {
  readonly #file: FileHandle
  readonly #chunk = Buffer.alloc(CHUNK_BYTES)
  #position = 0

  private constructor (file: FileHandle) {
    this.#file = file
  }

  static async open (): Promise<FreeMemory> {
    const folder = await mkdtemp(join(tmpdir(), 'kshadow-bench-'))
    try {
      const file = await open(join(folder, 'nothing'), 'w+')
      await file.truncate(FILE_BYTES)
      return new FreeMemory(file)
    } finally {
      // It is there for as long as it is open.
      await rm(folder, { recursive: true })
    }
  }

  /**
   * Reads what was not read before, of a file that holds nothing, until the page cache has taken all memory that it gets: what is read then
   * takes the place of something else. Does nothing where that cannot be told.
   */
  async use (signal: AbortSignal): Promise<void> {
    for (let free = await freeBytes(); free > LEFT_BYTES && this.#position < FILE_BYTES;) {
      for (let read = 0; read < STEP_BYTES; read += CHUNK_BYTES) {
        throwIfAborted(signal)
        await this.#file.read(this.#chunk, 0, CHUNK_BYTES, this.#position)
        this.#position += CHUNK_BYTES
      }
      const before = free
      free = await freeBytes()
      if (before - free < STEP_BYTES / 2) return
    }
  }

  async close (): Promise<void> {
    await this.#file.close()
  }
}

async function freeBytes (): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '')
  return Number(/^MemFree: +(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024
}
