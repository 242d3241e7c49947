/** Which versions of which APIs a broker speaks, and which of them both sides know (KIP-35, KIP-511). */
import { errorName, ErrorCodes } from '../../protocol/errors/codes.ts'
import { DecodeError } from '../../protocol/errors/protocol-errors.ts'
import { decodeResponse } from '../../protocol/header.ts'
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import type { Api, ResponseOf } from '../../protocol/schema/api.ts'
import { includesVersion, type VersionRange } from '../../protocol/schema/version-range.ts'
import { ShadowError } from '../errors.ts'

export type AnnouncedVersions = ReadonlyMap<number, VersionRange>

/** Where the error code is in any answer to ApiVersions: after the correlation id, because its header is never flexible. */
const ERROR_CODE_OFFSET = 4

/**
 * Reads an answer to ApiVersions. One that refuses the version comes in the form of version 0, whatever was asked (KIP-511).
 * @throws {DecodeError}
 */
export function decodeApiVersions (version: number, frame: Buffer): ResponseOf<typeof ApiVersions> {
  if (frame.length < ERROR_CODE_OFFSET + 2) throw new DecodeError(`an answer to ApiVersions cannot have ${frame.length} bytes`)
  const isRefused = frame.readInt16BE(ERROR_CODE_OFFSET) === ErrorCodes.UNSUPPORTED_VERSION
  return decodeResponse(ApiVersions, isRefused ? 0 : version, frame).body
}

/**
 * Asks with the newest version first; a broker that does not know it answers in version 0, and may say what it knows.
 * @throws {ShadowError} VERSION_UNSUPPORTED, and what `ask` throws
 */
export async function negotiateVersions (ask: (version: number) => Promise<ResponseOf<typeof ApiVersions>>): Promise<AnnouncedVersions> {
  const newest = ApiVersions.versions.max
  let body = await ask(newest)
  if (body.errorCode === ErrorCodes.UNSUPPORTED_VERSION) body = await ask(Math.min(newest - 1, fallbackVersion(body)))
  if (body.errorCode !== ErrorCodes.NONE) throw new ShadowError('VERSION_UNSUPPORTED', refusalText(body))
  return announcedVersions(body)
}

/** The version to ask with after `body` refused a newer one: the broker may have listed what it knows. */
export function fallbackVersion (body: ResponseOf<typeof ApiVersions>): number {
  const range = announcedVersions(body).get(ApiVersions.key)
  return (range === undefined ? null : usableVersions(ApiVersions, range))?.max ?? 0
}

function announcedVersions (body: ResponseOf<typeof ApiVersions>): AnnouncedVersions {
  return new Map(body.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { min: minVersion, max: maxVersion }]))
}

/** What both sides know of an API, within further bounds if given; null if there is nothing. */
export function usableVersions (api: Api, announced: VersionRange | undefined, bounds: { readonly minVersion?: number | undefined, readonly maxVersion?: number | undefined } = {}): VersionRange | null {
  if (announced === undefined) return null
  const min = Math.max(api.versions.min, announced.min, bounds.minVersion ?? 0)
  const max = Math.min(api.versions.max, announced.max, bounds.maxVersion ?? Infinity)
  return includesVersion({ min, max }, min) ? { min, max } : null
}

/** Says who knows what, for a request that cannot be made. */
export function versionUnsupported (api: Api, announced: VersionRange | undefined, broker: string, bounds: { readonly minVersion?: number | undefined, readonly maxVersion?: number | undefined }): ShadowError {
  const offered = announced === undefined ? `does not speak ${api.name}` : `speaks ${api.name} in versions ${announced.min} to ${announced.max}`
  const min = Math.max(api.versions.min, bounds.minVersion ?? 0)
  const max = Math.min(api.versions.max, bounds.maxVersion ?? Infinity)
  return new ShadowError('VERSION_UNSUPPORTED', `${broker} ${offered}; needed is one of ${min} to ${max}`, {
    details: { api: api.name, broker, minVersion: announced?.min ?? null, maxVersion: announced?.max ?? null }
  })
}

/** In words, why an answer to ApiVersions is of no use. */
function refusalText (body: ResponseOf<typeof ApiVersions>): string {
  return `it answered ApiVersions with ${errorName(body.errorCode)}`
}
