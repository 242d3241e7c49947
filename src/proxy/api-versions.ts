/**
 * The negotiation of versions, seen from the middle. Maxima are lowered to what is offered here and APIs that are not offered
 * are left out; minima and features stay as they are: clients draw conclusions from both (facts/proxies.md §3, §9).
 */
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { decodeResponse, encodeResponse } from '../../protocol/header.ts'
import { ApiVersions } from '../../protocol/messages/api-versions.ts'
import type { ResponseOf } from '../../protocol/schema/api.ts'
import type { Offer } from './offer.ts'

const CORRELATION_ID_BYTES = 4

type VersionRow = ResponseOf<typeof ApiVersions>['apiKeys'][number]

/** `offerOf` says what is offered of the APIs that the broker has. */
export function apiVersionsOffer (offerOf: (key: number) => Offer | null): Offer {
  const { key, name, versions } = ApiVersions
  return {
    key,
    name,
    minVersion: versions.min,
    maxVersion: versions.max,
    isJudged: () => false,
    peek: null,
    judge: () => null,
    rewriteFor: version => frame => {
      // A broker that does not know the version answers in version 0, with the error as the first word (KIP-511).
      const answered = frame.length >= CORRELATION_ID_BYTES + 2 && frame.readInt16BE(CORRELATION_ID_BYTES) === ErrorCodes.UNSUPPORTED_VERSION ? 0 : version
      const { header, body } = decodeResponse(ApiVersions, answered, frame)
      return encodeResponse(ApiVersions, answered, header, { ...body, apiKeys: body.apiKeys.flatMap(row => lowered(row, offerOf)) })
    },
    // Whatever version it is: a client must always learn which one to use.
    canRefuseVersion: () => true,
    refuseVersion: frame => encodeResponse(ApiVersions, 0, { correlationId: frame.readInt32BE(4) }, {
      errorCode: ErrorCodes.UNSUPPORTED_VERSION,
      apiKeys: [{ apiKey: key, minVersion: versions.min, maxVersion: versions.max }]
    })
  }
}

function lowered (row: VersionRow, offerOf: (key: number) => Offer | null): VersionRow[] {
  const offered = offerOf(row.apiKey)
  if (offered === null || offered.maxVersion < row.minVersion) return []
  return [{ ...row, maxVersion: Math.min(row.maxVersion, offered.maxVersion) }]
}
