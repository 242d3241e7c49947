/** Compares one value of a message, or of a record of the metadata log, with what Kafka's own classes make of it. */
import { isDeepStrictEqual } from 'node:util'
import { Reader } from '../../protocol/buffer/reader.ts'
import { Writer } from '../../protocol/buffer/writer.ts'
import { EncodeError } from '../../protocol/errors/protocol-errors.ts'
import type { Message } from '../../protocol/schema/api.ts'
import { messageCodec } from '../../protocol/schema/codec.ts'
import { asJsonShows, fromJson, toJson, withoutUnknownTags } from './message-json.ts'
import type { Oracle } from './oracle.ts'

/** The bytes of a complete value. */
export function writeMessage (message: Message, version: number, value: Record<string, unknown>): Buffer {
  const writer = new Writer()
  messageCodec(message, version).write(writer, value)
  return Buffer.concat(writer.finish())
}

function readMessage (message: Message, version: number, bytes: Buffer): Record<string, unknown> {
  const reader = new Reader(bytes)
  const value = messageCodec(message, version).read(reader)
  reader.finish()
  return value
}

/** Writes a value of one version as another, here and in Java. */
export async function checkConversion (oracle: Oracle, message: Message, from: number, to: number, value: Record<string, unknown>, counts: { refused: number, carried: number }): Promise<string[]> {
  const at = `${message.name} v${from} as v${to}`
  const ours = outcome(() => writeMessage(message, to, value))
  const theirs = await oracle.ask('convert', message.name, String(from), String(to), toJson(message, from, value)).then(([bytes]) => bytes, (error: unknown) => String(error))
  if (ours instanceof EncodeError) {
    counts.refused++
    const isRefused = typeof theirs === 'string' && /UnsupportedVersionException|NullPointerException/.test(theirs.split('\n', 1).join())
    return isRefused ? [] : [`${at}: ${ours.message}, but Java answers ${shown(theirs)}`]
  }
  counts.carried++
  return isDeepStrictEqual(ours, theirs) ? [] : [`${at}: ${shown(ours)}, but Java answers ${shown(theirs)}`]
}

function shown (result: unknown): string {
  return Buffer.isBuffer(result) ? result.toString('hex') : String(result).slice(0, 300)
}

export async function gather (checks: ReadonlyArray<Promise<string[]>>): Promise<string[]> {
  return (await Promise.all(checks)).flat()
}

/** What came of it: the result, or what was thrown. */
export function outcome (action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    return error
  }
}

/** Answers what differs, if anything, and the value that shows it. */
export async function checkMessage (oracle: Oracle, message: Message, version: number, value: Record<string, unknown>): Promise<string[]> {
  const problems: string[] = []
  const at = `${message.name} v${version}`
  try {
    const bytes = writeMessage(message, version, value)
    const [fromOurJson, json, rewritten] = await oracle.ask('message', message.name, String(version), toJson(message, version, value), bytes)
    if (fromOurJson === undefined || json === undefined || rewritten === undefined) throw new Error('an answer without its parts')
    const plain = withoutUnknownTags(value)
    const javaRead = fromJson(message, version, json.toString())
    if (!isDeepStrictEqual(readMessage(message, version, fromOurJson), plain)) problems.push(`${at}: what Java wrote was read as another value, at ${difference(readMessage(message, version, fromOurJson), plain)}`)
    if (!isDeepStrictEqual(javaRead, asJsonShows(message.fields, value))) problems.push(`${at}: Java read another value, at ${difference(javaRead, asJsonShows(message.fields, value))}`)
    if (!rewritten.equals(bytes)) problems.push(`${at}: Java writes ${rewritten.toString('hex')} after reading ${bytes.toString('hex')}`)
    const plainBytes = writeMessage(message, version, Object.fromEntries(Object.entries(plain ?? {})))
    if (!plainBytes.equals(fromOurJson)) problems.push(`${at}: wrote ${plainBytes.toString('hex')}, Java ${fromOurJson.toString('hex')}`)
  } catch (error) {
    problems.push(`${at}: ${error instanceof Error ? error.message.slice(0, 600) : String(error)}`)
  }
  return problems
}

/** The path of the first field that differs, with both values. */
export function difference (a: unknown, b: unknown, path = ''): string {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null || Buffer.isBuffer(a)) return `${path}: ${String(a)} and ${String(b)}`
  const left = new Map(Object.entries(a))
  const right = new Map(Object.entries(b))
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    if (!isDeepStrictEqual(left.get(key), right.get(key))) return difference(left.get(key), right.get(key), `${path}.${key}`)
  }
  return path
}
