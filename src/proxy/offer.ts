/** What the sidecar does with the requests and answers of one API. */
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse, type RequestHeader, type ResponseHeader } from '../../protocol/header.ts'
import type { Api, RequestOf, ResponseInput, ResponseOf } from '../../protocol/schema/api.ts'
import { includesVersion } from '../../protocol/schema/version-range.ts'
import type { NodePorts } from './node-ports.ts'
import type { Rewrite } from './pending-answers.ts'
import type { Judge, Verdict } from './refusals/verdict.ts'
import type { WriteRules } from './write-rules.ts'

export interface OfferContext {
  readonly rules: WriteRules
  readonly ports: NodePorts
}

/** What goes where in place of a request; frames are given with their length word. */
export type Decision =
  | { readonly kind: 'answer', readonly frame: readonly Buffer[] }
  | { readonly kind: 'split', readonly requests: ReadonlyArray<{ readonly frame: readonly Buffer[], readonly rewrite: Rewrite }> }

/** Frames are given without their length word. Methods throw DecodeError for bytes that are not what they are said to be. */
export interface Offer {
  readonly key: number
  readonly name: string
  readonly minVersion: number
  /** The newest version that is offered. */
  readonly maxVersion: number
  /** True when requests must be seen whole before anything of them is passed on. */
  readonly isJudged: boolean
  /** Null when the request is to be passed on unchanged. */
  judge (frame: Buffer, version: number, context: OfferContext): Decision | null
  /** What to do with answers in this version; null to pass them on unread. */
  rewriteFor (version: number, context: OfferContext): Rewrite | null
  /** True when a request in a version that is not offered can be answered all the same. */
  canRefuseVersion (version: number): boolean
  /** Null for a request that asks for no answer. */
  refuseVersion (frame: Buffer, version: number): readonly Buffer[] | null
}

export interface OfferOptions<A extends Api> {
  /** Where it is lower than the newest version that is declared. */
  readonly maxVersion?: number
  /** Where it is higher than the oldest version that is declared. It is not announced: clients draw wrong conclusions from raised minima. */
  readonly minVersion?: number
  readonly judge?: Judge<A>
  readonly addresses?: AddressRewrite<A>
  /** The answer to a request in a declared version that is not offered; null when it asks for none. */
  refuseVersion? (body: RequestOf<A>, message: string): ResponseInput<A> | null
}

export interface AddressRewrite<A extends Api> {
  /** The first version whose answers hold addresses. */
  readonly minVersion: number
  /** Null when there is nothing to change. */
  rewrite (body: ResponseOf<A> | ResponseInput<A>, ports: NodePorts, version: number): ResponseInput<A> | null
}

/** An API whose messages are declared. */
export function offer<A extends Api> (api: A, options: OfferOptions<A> = {}): Offer {
  const { judge, addresses } = options
  const maxVersion = options.maxVersion ?? api.versions.max

  /** Addresses are rewritten last, so that none gets by in an answer that was put together. */
  const encode = (version: number, header: ResponseHeader, body: ResponseInput<A>, ports: NodePorts): Buffer[] => {
    const rewritten = addresses !== undefined && version >= addresses.minVersion ? addresses.rewrite(body, ports, version) : null
    return encodeResponse(api, version, header, rewritten ?? body)
  }

  return {
    key: api.key,
    name: api.name,
    minVersion: options.minVersion ?? api.versions.min,
    maxVersion,
    isJudged: judge !== undefined,
    judge (frame, version, { rules, ports }) {
      if (judge === undefined) return null
      const { header, body } = decodeRequest(api, version, frame)
      const verdict = judge(body, { rules, version })
      if (verdict === null) return null
      if (verdict.kind === 'answer') return { kind: 'answer', frame: encodeResponse(api, version, { correlationId: header.correlationId }, verdict.body) }
      return splitDecision(api, verdict, header, (answerHeader, answer) => encode(version, answerHeader, answer, ports))
    },
    rewriteFor (version, { ports }) {
      if (addresses === undefined || version < addresses.minVersion) return null
      return frame => {
        const { header, body } = decodeResponse(api, version, frame)
        const rewritten = addresses.rewrite(body, ports, version)
        return rewritten === null ? null : encodeResponse(api, version, header, rewritten)
      }
    },
    canRefuseVersion: version => options.refuseVersion !== undefined && includesVersion(api.versions, version),
    refuseVersion (frame, version) {
      const { header, body } = decodeRequest(api, version, frame)
      if (options.refuseVersion === undefined) throw new TypeError(`${api.name} v${version} cannot be refused`)
      const answer = options.refuseVersion(body, `${api.name} v${version} is not offered here: the newest version that is offered is ${maxVersion}`)
      return answer === null ? null : encodeResponse(api, version, { correlationId: header.correlationId }, answer)
    }
  }
}

/** The answers to all but the last request are kept until the last has come; the client gets one. */
function splitDecision<A extends Api> (
  api: A, { requests, merge }: Extract<Verdict<A>, { readonly kind: 'split' }>, header: RequestHeader,
  encode: (header: ResponseHeader, answer: ResponseInput<A>) => Buffer[]
): Decision {
  const answers: Array<ResponseOf<A>> = []
  return {
    kind: 'split',
    requests: requests.map(({ body, version = header.apiVersion }, index) => ({
      frame: encodeRequest(api, version, header, body),
      rewrite (frame) {
        const answer = decodeResponse(api, version, frame)
        answers.push(answer.body)
        return index < requests.length - 1 ? [] : encode(answer.header, merge(answers))
      }
    }))
  }
}

/** An API that is passed on unread: it changes no topic and carries no address up to `maxVersion`. */
export function unreadOffer (key: number, name: string, maxVersion: number): Offer {
  return {
    key,
    name,
    minVersion: 0,
    maxVersion,
    isJudged: false,
    judge: () => null,
    rewriteFor: () => null,
    canRefuseVersion: () => false,
    refuseVersion () { throw new TypeError(`${name} cannot be refused`) }
  }
}
