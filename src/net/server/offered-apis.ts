/** Which APIs a server offers in which versions, and what becomes of a request for anything else. */
import { Reader } from '../../../protocol/buffer/reader.ts'
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DecodeError } from '../../../protocol/errors/protocol-errors.ts'
import { encodeResponse, readRequestHeader } from '../../../protocol/header.ts'
import { ApiVersions } from '../../../protocol/messages/api-versions.ts'
import type { Api } from '../../../protocol/schema/api.ts'
import { includesVersion, type VersionRange } from '../../../protocol/schema/version-range.ts'

export interface OfferedApi {
  readonly api: Api
  readonly versions: VersionRange
}

export type FoundApi<O extends OfferedApi> =
  | { readonly offered: O, readonly apiVersion: number }
  /** The whole answer: a version of ApiVersions that is not offered. */
  | { readonly refusal: readonly Buffer[] }

export class OfferedApis<O extends OfferedApi> {
  readonly #offered: ReadonlyMap<number, O>

  constructor (offered: readonly O[]) {
    this.#offered = new Map([...offered].sort((a, b) => a.api.key - b.api.key).map(one => [one.api.key, one]))
  }

  /** As ApiVersions tells it. */
  get listed (): Array<{ readonly apiKey: number, readonly minVersion: number, readonly maxVersion: number }> {
    return [...this.#offered].map(([apiKey, { versions }]) => ({ apiKey, minVersion: versions.min, maxVersion: versions.max }))
  }

  /**
   * What a request is for.
   * @throws {DecodeError} for what cannot be answered: an API or version that is not offered, bytes that are no request. A broker
   * closes the connection then.
   */
  find (frame: Buffer): FoundApi<O> {
    // The header's tagged fields, which only some versions have, come after what is needed here.
    const { apiKey, apiVersion, correlationId } = readRequestHeader(new Reader(frame), false)
    const offered = this.#offered.get(apiKey)
    if (offered !== undefined && includesVersion(offered.versions, apiVersion)) return { offered, apiVersion }
    if (apiKey !== ApiVersions.key) throw new DecodeError(`a request for API ${apiKey} version ${apiVersion}, which is not offered`)
    // A client that is newer asks again in a version from this answer (KIP-511).
    return { refusal: encodeResponse(ApiVersions, 0, { correlationId }, { errorCode: ErrorCodes.UNSUPPORTED_VERSION, apiKeys: this.listed }) }
  }
}
