import { readFileSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'

const END_SIGNATURE = 0x06054b50
const END_BYTES = 22
const ENTRY_SIGNATURE = 0x02014b50
const ENTRY_BYTES = 46
const LOCAL_BYTES = 30
const STORED = 0
const DEFLATED = 8

/**
 * The files of a jar whose path matches, as text by path. Source: APPNOTE.TXT of PKZIP, sections 4.3.7, 4.3.12 and 4.3.16.
 * @throws {Error} for a file that is not a zip without encryption and without the extensions for more than 4 GiB.
 */
export function readJar (file: string, matches: (path: string) => boolean): Map<string, string> {
  const jar = readFileSync(file)
  let end = jar.length - END_BYTES
  while (end >= 0 && jar.readUInt32LE(end) !== END_SIGNATURE) end--
  if (end < 0) throw new Error(`${file} is not a jar`)
  const texts = new Map<string, string>()
  let at = jar.readUInt32LE(end + 16)
  for (let left = jar.readUInt16LE(end + 10); left > 0; left--) {
    if (jar.readUInt32LE(at) !== ENTRY_SIGNATURE) throw new Error(`${file} has no entry at ${at}`)
    const nameBytes = jar.readUInt16LE(at + 28)
    const path = jar.toString('utf8', at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes)
    if (matches(path)) texts.set(path, content(jar, at).toString('utf8'))
    at += ENTRY_BYTES + nameBytes + jar.readUInt16LE(at + 30) + jar.readUInt16LE(at + 32)
  }
  return texts
}

function content (jar: Buffer, entry: number): Buffer {
  const method = jar.readUInt16LE(entry + 10)
  const size = jar.readUInt32LE(entry + 20)
  const local = jar.readUInt32LE(entry + 42)
  const start = local + LOCAL_BYTES + jar.readUInt16LE(local + 26) + jar.readUInt16LE(local + 28)
  const bytes = jar.subarray(start, start + size)
  if (method === STORED) return bytes
  if (method === DEFLATED) return inflateRawSync(bytes)
  throw new Error(`compression method ${method} of a jar is not known here`)
}
