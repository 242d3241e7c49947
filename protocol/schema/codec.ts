import { VersionError } from '../errors/protocol-errors.ts'
import type { Api, Message, RequestInput, RequestOf, ResponseInput, ResponseOf } from './api.ts'
import { compile, type Codec } from './compiler.ts'
import type { Fields, InputOf, ValueOf } from './field.ts'
import { includesVersion } from './version-range.ts'

const compiled = new WeakMap<Message, Map<number, unknown>>()

/**
 * The codec of a message at one version, compiled at its first use (about 0.1 ms) and kept.
 * @throws {VersionError} for a version that is not declared.
 */
export function messageCodec<F extends Fields> (message: Message<F>, version: number): Codec<ValueOf<F>, InputOf<F>> {
  let versions = compiled.get(message)
  if (versions === undefined) compiled.set(message, versions = new Map<number, unknown>())
  const known = versions.get(version)
  // The map holds under `message` and `version` only what was compiled from them, so the type is that of the message.
  if (known !== undefined) return known as Codec<ValueOf<F>, InputOf<F>>
  if (!includesVersion(message.versions, version)) throw new VersionError(`${message.name} v${version} is not known here`)
  const codec = compile(message, version)
  versions.set(version, codec)
  return codec
}

export function requestCodec<A extends Api> (api: A, version: number): Codec<RequestOf<A>, RequestInput<A>> {
  return messageCodec<A['request']['fields']>(api.request, version)
}

export function responseCodec<A extends Api> (api: A, version: number): Codec<ResponseOf<A>, ResponseInput<A>> {
  return messageCodec<A['response']['fields']>(api.response, version)
}
