/**
 * The key file: what secrets of links are sealed with. A key per line, 32 bytes as hexadecimal digits or base64; empty lines and lines
 * that begin with `#` do not count. The first key seals, all of them open. No message repeats anything of the file.
 */
import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { messageOf, ShadowError } from '../../errors.ts'

const KEY_BYTES = 32
const HEX = /^[0-9a-fA-F]{64}$/
const BASE64 = /^[A-Za-z0-9+/]{43}=$/
const MAX_FILE_BYTES = 64 * 1024
const BY_OTHERS = 0o077
const READABLE_BY_ALL = 0o004

export interface SecretKey {
  /** The first 8 hexadecimal digits of a hash of the key: it tells keys apart, and nothing of them. */
  readonly id: string
  readonly bytes: Buffer
}

/** The first of them seals. */
export type SecretKeys = readonly [SecretKey, ...SecretKey[]]

export interface KeyFile {
  readonly keys: SecretKeys
  /** What somebody should know of the file; null where there is nothing. */
  readonly warning: string | null
}

/**
 * Reads a key file, as it is now. As ssh does it, a file of our own that others can use is refused.
 * @throws {ShadowError} SETTING_NEEDED naming the file and what is wrong with it
 */
export async function readKeyFile (path: string): Promise<KeyFile> {
  const refuse = (why: string): ShadowError => new ShadowError('SETTING_NEEDED', `secrets.key_file ${path} cannot be used: ${why}`, { details: { setting: 'secrets.key_file' } })
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    throw refuse(messageOf(error))
  }
  try {
    const status = await file.stat()
    if (!status.isFile()) throw refuse('it is not a file')
    if (status.size > MAX_FILE_BYTES) throw refuse(`it has more than ${MAX_FILE_BYTES} bytes`)
    const isOwn = process.getuid?.() === status.uid
    if (isOwn && (status.mode & BY_OTHERS) !== 0) throw refuse(`others than its owner may use it (mode ${(status.mode & 0o777).toString(8).padStart(4, '0')}); give the command: chmod 600 ${path}`)
    const keys = parseKeys(await file.readFile('latin1'))
    if (typeof keys === 'string') throw refuse(keys)
    const warning = !isOwn && process.getuid !== undefined && (status.mode & READABLE_BY_ALL) !== 0 ? `secrets.key_file ${path} can be read by every user of this host` : null
    return { keys, warning }
  } catch (error) {
    throw error instanceof ShadowError ? error : refuse(messageOf(error))
  } finally {
    await file.close()
  }
}

/** The keys of a text, or what is wrong with it. */
export function parseKeys (text: string): SecretKeys | string {
  const keys: SecretKey[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const written = line.trim()
    if (written === '' || written.startsWith('#')) continue
    const bytes = HEX.test(written) ? Buffer.from(written, 'hex') : BASE64.test(written) ? Buffer.from(written, 'base64') : null
    if (bytes === null) return `line ${index + 1}: expected a key of ${KEY_BYTES} bytes, as 64 hexadecimal digits (openssl rand -hex ${KEY_BYTES}) or 44 characters of base64`
    const id = createHash('sha256').update('kafka-shadow key id\n').update(bytes).digest('hex').slice(0, 8)
    if (keys.some(key => key.id === id)) return `line ${index + 1}: this key is there twice`
    keys.push({ id, bytes })
  }
  const [first, ...others] = keys
  return first === undefined ? 'there is no key in it' : [first, ...others]
}
