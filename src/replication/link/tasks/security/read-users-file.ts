import { constants, open, type FileHandle } from 'node:fs/promises'
import { parseUsersFile, type ScramUser } from '../../../../config/link/users-file.ts'
import { messageOf, ShadowError } from '../../../../errors.ts'

const MOST_BYTES = 1024 * 1024

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file on the engine\'s host',
  EACCES: 'the engine\'s user may not read it',
  EPERM: 'the engine\'s user may not read it',
  ENOTDIR: 'a part of its path is no directory',
  ELOOP: 'its path goes round in circles'
}

/**
 * The users of the file that a link names. What is wrong with it says where, and nothing of what is in it.
 * @throws {ShadowError} CONFLICT when it cannot be read, {ConfigError} when it is not what it should be
 */
export async function readUsersFile (path: string, environment: Readonly<Record<string, string | undefined>>): Promise<ScramUser[]> {
  return parseUsersFile(await textOf(path), `users file ${path}`, environment)
}

async function textOf (path: string): Promise<string> {
  let file: FileHandle | null = null
  try {
    // A pipe would keep whoever opens it waiting.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = await file.stat()
    if (!stat.isFile()) throw unreadable(path, 'it is no file')
    if (stat.size > MOST_BYTES) throw unreadable(path, `it has more than ${MOST_BYTES} bytes`)
    return await file.readFile('utf8')
  } catch (error) {
    if (error instanceof ShadowError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    throw unreadable(path, REASONS[code] ?? messageOf(error))
  } finally {
    await file?.close()
  }
}

function unreadable (path: string, reason: string): ShadowError {
  return new ShadowError('CONFLICT', `the users file ${path} cannot be read: ${reason}`)
}
