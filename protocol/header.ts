/** Request and response headers, and whole frames of them with a body. */
import { Reader, type UnknownTag } from './buffer/reader.ts'
import { Writer } from './buffer/writer.ts'
import { LENGTH_BYTES } from './frame.ts'
import type { Api, RequestInput, RequestOf, ResponseInput, ResponseOf } from './schema/api.ts'
import { requestCodec, responseCodec } from './schema/codec.ts'
import { includesVersion } from './schema/version-range.ts'

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly unknownTags: readonly UnknownTag[]
}

/** What an answer's header holds. */
export interface ResponseHeader {
  readonly correlationId: number
  readonly unknownTags: readonly UnknownTag[]
}

const NO_TAGS: readonly UnknownTag[] = Object.freeze([])

const API_VERSIONS_KEY = 18

/** Reads a request header; `reader` is then at the body. */
export function readRequestHeader (reader: Reader, flexible: boolean): RequestHeader {
  return {
    apiKey: reader.int16(),
    apiVersion: reader.int16(),
    correlationId: reader.int32(),
    clientId: reader.nullableString(),
    unknownTags: flexible ? reader.unknownTags() : NO_TAGS
  }
}

/** True when the request header of this version ends with tagged fields (request header v2). */
export function hasFlexibleRequestHeader (api: Api, version: number): boolean {
  return includesVersion(api.request.flexible, version)
}

/**
 * True when the response header ends with tagged fields (response header v1). ApiVersions never has them, so that a
 * client can read the answer whatever version the broker chose (KIP-511).
 */
export function hasFlexibleResponseHeader (api: Api, version: number): boolean {
  return api.key !== API_VERSIONS_KEY && includesVersion(api.response.flexible, version)
}

/** A whole request, length included, as a list of buffers for one gather write. */
export function encodeRequest<A extends Api> (
  api: A,
  version: number,
  header: { readonly correlationId: number, readonly clientId: string | null, readonly unknownTags?: readonly UnknownTag[] },
  body: RequestInput<A>
): Buffer[] {
  const writer = new Writer()
  writer.int32(0)
  writer.int16(api.key)
  writer.int16(version)
  writer.int32(header.correlationId)
  writer.nullableString(header.clientId)
  if (hasFlexibleRequestHeader(api, version)) writer.tags([], header.unknownTags ?? NO_TAGS)
  requestCodec(api, version).write(writer, body)
  return finishFrame(writer)
}

/** A whole response, length included. */
export function encodeResponse<A extends Api> (
  api: A,
  version: number,
  header: { readonly correlationId: number, readonly unknownTags?: readonly UnknownTag[] },
  body: ResponseInput<A>
): Buffer[] {
  const writer = new Writer()
  writer.int32(0)
  writer.int32(header.correlationId)
  if (hasFlexibleResponseHeader(api, version)) writer.tags([], header.unknownTags ?? NO_TAGS)
  responseCodec(api, version).write(writer, body)
  return finishFrame(writer)
}

/** Reads a request whose frame is given without its length. With `maxElements`, one whose arrays have more elements in all is refused before they take memory. */
export function decodeRequest<A extends Api> (api: A, version: number, frame: Buffer, { maxElements }: { readonly maxElements?: number } = {}): { readonly header: RequestHeader, readonly body: RequestOf<A> } {
  const codec = requestCodec(api, version)
  const reader = new Reader(frame)
  if (maxElements !== undefined) reader.elementsLeft = maxElements
  const header = readRequestHeader(reader, hasFlexibleRequestHeader(api, version))
  const body = codec.read(reader)
  reader.finish()
  return { header, body }
}

/** Reads a response whose frame is given without its length. */
export function decodeResponse<A extends Api> (api: A, version: number, frame: Buffer): { readonly header: ResponseHeader, readonly body: ResponseOf<A> } {
  const codec = responseCodec(api, version)
  const reader = new Reader(frame)
  const header = { correlationId: reader.int32(), unknownTags: hasFlexibleResponseHeader(api, version) ? reader.unknownTags() : NO_TAGS }
  const body = codec.read(reader)
  reader.finish()
  return { header, body }
}

function finishFrame (writer: Writer): Buffer[] {
  const length = writer.length - LENGTH_BYTES
  const chunks = writer.finish()
  chunks[0]?.writeInt32BE(length, 0)
  return chunks
}
