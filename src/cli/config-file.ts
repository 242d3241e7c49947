import { readFile } from 'node:fs/promises'
import { messageOf } from '../errors.ts'
import { UsageError } from './usage-error.ts'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory'
}

/** @throws {UsageError} when the file cannot be read */
export async function readConfigFile (path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    throw new UsageError(`${path} cannot be read: ${REASONS[code] ?? messageOf(error)}`)
  }
}
