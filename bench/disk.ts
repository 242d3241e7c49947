/** The disk of this machine, which all brokers write to. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Returns when the disk has nothing left to write: the gigabytes of one measurement do not slow the next one down. @throws {Error} without `sync` (coreutils) */
export async function diskIsIdle (signal: AbortSignal): Promise<void> {
  await promisify(execFile)('sync', { signal })
}
