/** What the sidecar does with the requests and answers of one API. */
import type { Reader } from '../../protocol/buffer/reader.ts'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse, hasFlexibleRequestHeader, readRequestHeader, type RequestHeader, type ResponseHeader } from '../../protocol/header.ts'
import type { Api, RequestOf, ResponseInput, ResponseOf } from '../../protocol/schema/api.ts'
import { includesVersion } from '../../protocol/schema/version-range.ts'
import type { NodePorts } from './node-ports.ts'
import type { Rewrite } from './pending-answers.ts'
import { question } from './question.ts'
import type { ReadRules } from './read-rules.ts'
import { MAX_ELEMENTS } from './request-limits.ts'
import type { Answer, Ask, Judge, Split } from './verdict.ts'
import type { WriteRules } from './write-rules.ts'

export interface OfferContext {
  readonly rules: WriteRules
  readonly reads: ReadRules
  readonly ports: NodePorts
}

/** What is done in place of passing a request on; frames are given to the session with their length word, and to `take` without. */
export type Decision =
  | { readonly kind: 'answer', readonly frame: readonly Buffer[] }
  /** The broker's answer is dealt with as that to the client's own request. */
  | { readonly kind: 'amend', readonly frame: readonly Buffer[] }
  | {
    readonly kind: 'ask'
    readonly questions: ReadonlyArray<{ readonly frame: readonly Buffer[], readonly take: (answer: Buffer) => void }>
    /** False when `next` may ask more: the client's next requests must wait until then. */
    readonly isLast: boolean
    /** To be called once, when all questions are answered. */
    readonly next: () => Exclude<Decision, { readonly kind: 'amend' }>
  }

export interface Judgement {
  readonly decision: Decision
  /** True when something of the request is refused. */
  readonly isRefusal: boolean
}

/**
 * Reads the start of a request, from its header on, and says whether the request must be judged.
 * @throws {DecodeError} when more of it has to be there to know
 */
export type Peek = (reader: Reader, version: number) => boolean

/** Frames are given without their length word. Methods throw DecodeError for bytes that are not what they are said to be. */
export interface Offer {
  readonly key: number
  readonly name: string
  readonly minVersion: number
  /** The newest version that is offered. */
  readonly maxVersion: number
  /** True when a request in this version must be seen whole before anything of it is passed on. */
  isJudged (version: number, context: OfferContext): boolean
  /** Where that is false, what may still say so. */
  readonly peek: Peek | null
  /** Null when the request is to be passed on unchanged. */
  judge (frame: Buffer, version: number, context: OfferContext): Judgement | null
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
  /** Where not all requests need to be judged. */
  isJudged? (version: number, reads: ReadRules): boolean
  /** Where `isJudged` says no: as Peek, behind the header. */
  readonly peek?: Peek
  readonly addresses?: AddressRewrite<A>
  /** The answer to a request in a declared version that is not offered; null when it asks for none. */
  refuseVersion? (body: RequestOf<A>, message: string): ResponseInput<A> | null
}

/** What decides over the brokers that an answer names. */
export type AddressContext = Pick<OfferContext, 'reads' | 'ports'>

export interface AddressRewrite<A extends Api> {
  /** The first version whose answers hold addresses. */
  readonly minVersion: number
  /** Null when there is nothing to change. */
  rewrite (body: ResponseOf<A> | ResponseInput<A>, context: AddressContext, version: number): ResponseInput<A> | null
}

/** An API whose messages are declared. */
export function offer<A extends Api> (api: A, options: OfferOptions<A> = {}): Offer {
  const { judge, addresses, peek } = options
  const maxVersion = options.maxVersion ?? api.versions.max

  /** Addresses are rewritten last, so that none gets by in an answer that was put together. */
  const encode = (version: number, header: ResponseHeader, body: ResponseInput<A>, context: AddressContext): Buffer[] => {
    const rewritten = addresses !== undefined && version >= addresses.minVersion ? addresses.rewrite(body, context, version) : null
    return encodeResponse(api, version, header, rewritten ?? body)
  }

  return {
    key: api.key,
    name: api.name,
    minVersion: options.minVersion ?? api.versions.min,
    maxVersion,
    isJudged: (version, { reads }) => judge !== undefined && options.isJudged?.(version, reads) !== false,
    peek: peek === undefined
      ? null
      : (reader, version) => {
          readRequestHeader(reader, hasFlexibleRequestHeader(api, version))
          return peek(reader, version)
        },
    judge (frame, version, context) {
      if (judge === undefined) return null
      const { header, body } = decodeRequest(api, version, frame, { maxElements: MAX_ELEMENTS })
      const verdict = judge(body, { rules: context.rules, reads: context.reads, version })
      if (verdict === null) return null
      if (verdict.kind === 'amend') return { decision: { kind: 'amend', frame: encodeRequest(api, version, header, verdict.body) }, isRefusal: false }
      return {
        decision: verdict.kind === 'answer'
          ? { kind: 'answer', frame: encodeResponse(api, version, { correlationId: header.correlationId }, verdict.body) }
          : askDecision(verdict.kind === 'split' ? splitAsk(api, verdict, version) : verdict, header, (answerHeader, answer) => encode(version, answerHeader, answer, context)),
        isRefusal: verdict.kind !== 'ask'
      }
    },
    rewriteFor (version, context) {
      if (addresses === undefined || version < addresses.minVersion) return null
      return frame => {
        const { header, body } = decodeResponse(api, version, frame)
        const rewritten = addresses.rewrite(body, context, version)
        return rewritten === null ? null : encodeResponse(api, version, header, rewritten)
      }
    },
    canRefuseVersion: version => options.refuseVersion !== undefined && includesVersion(api.versions, version),
    refuseVersion (frame, version) {
      const { header, body } = decodeRequest(api, version, frame, { maxElements: MAX_ELEMENTS })
      if (options.refuseVersion === undefined) throw new TypeError(`${api.name} v${version} cannot be refused`)
      const answer = options.refuseVersion(body, `${api.name} v${version} is not offered here: the newest version that is offered is ${maxVersion}`)
      return answer === null ? null : encodeResponse(api, version, { correlationId: header.correlationId }, answer)
    }
  }
}

/** What is allowed, asked in one round; the client gets what becomes of all answers. */
function splitAsk<A extends Api> (api: A, { requests, merge }: Split<A>, clientVersion: number): Ask<A> {
  const answers: Array<ResponseOf<A>> = []
  return {
    kind: 'ask',
    questions: requests.map(({ body, version = clientVersion }) => question(api, version, body, answer => { answers.push(answer) })),
    isLast: true,
    next: () => ({ kind: 'answer', body: merge(answers) })
  }
}

/** The client's answer has the header of the broker's last one. */
function askDecision<A extends Api> (ask: Ask<A>, header: RequestHeader, encode: (header: ResponseHeader, answer: ResponseInput<A>) => Buffer[]): ReturnType<Extract<Decision, { readonly kind: 'ask' }>['next']> {
  let lastHeader: ResponseHeader = { correlationId: header.correlationId, unknownTags: [] }
  const decide = (verdict: Answer<A> | Ask<A>): ReturnType<typeof askDecision> => {
    if (verdict.kind === 'answer') return { kind: 'answer', frame: encode(lastHeader, verdict.body) }
    return {
      kind: 'ask',
      questions: verdict.questions.map(each => ({ frame: each.encode(header), take: answer => { lastHeader = each.receive(answer) } })),
      isLast: verdict.isLast,
      next: () => decide(verdict.next())
    }
  }
  return decide(ask)
}

/** An API that is passed on unread: it changes no topic and carries no address up to `maxVersion`. */
export function unreadOffer (key: number, name: string, maxVersion: number): Offer {
  return {
    key,
    name,
    minVersion: 0,
    maxVersion,
    isJudged: () => false,
    peek: null,
    judge: () => null,
    rewriteFor: () => null,
    canRefuseVersion: () => false,
    refuseVersion () { throw new TypeError(`${name} cannot be refused`) }
  }
}
