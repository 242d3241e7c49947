/**
 * One client's connection, and the one connection to a broker that stands behind it.
 *
 *                  connected            client's FIN, drain, or a request that ends it
 *   connecting ───────────────▶ open ─────────────────────────────────────────────────▶ ending
 *       │                         │                                                       │ all answers that
 *       │ no broker               │ broker's FIN, a failed socket, nonsense               │ are owed are out
 *       ▼                         ▼                                                       ▼
 *     closed ◀────────────────────┴─────────────────────────────────────────────────── closed
 *
 * Requests go out in the order they came, and answers go back in the order of the requests, whoever gives them (`OwedAnswers`).
 * Correlation ids are the client's, untouched.
 *
 * No side is ever read faster than the other one takes: what cannot be sent on is left in the sockets.
 */
import type { Socket } from 'node:net'
import { DecodeError } from '../../protocol/errors/protocol-errors.ts'
import { LENGTH_BYTES } from '../../protocol/frame.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { Counters } from './counters.ts'
import type { DisconnectCause } from './disconnect-cause.ts'
import { FrameStream } from './frame-stream.ts'
import { closeGently } from './gentle-close.ts'
import type { HeldFrame } from './held-frame.ts'
import { HeldRequest } from './held-request.ts'
import type { HoldBudget } from './hold-budget.ts'
import type { LogLimit } from './log-limit.ts'
import type { Decision, Judgement, Offer, OfferContext } from './offer.ts'
import { offerOf } from './offers.ts'
import { Outlet } from './outlet.ts'
import { OwedAnswers } from './owed-answers.ts'
import { ProduceUnderWay } from './produce-under-way.ts'

/** Length, API key, version and correlation id of a request; length and correlation id of an answer. */
const REQUEST_HEAD_BYTES = 12
const ANSWER_HEAD_BYTES = 8

/** An answer that is passed on unread may have any length. */
const MAX_ANSWER_BYTES = 2 ** 31 - 1

/**
 * How much may wait in a socket before the other one is no longer read. More than the socket's own high-water mark, which a
 * single batch of records exceeds even when the kernel takes it at once: to stop and start reading for each costs latency.
 */
const MAX_WAITING_BYTES = 128 * 1024

/** From here on no more requests are read until answers have gone out. */
const MAX_PENDING = 1000
const MAX_READY_BYTES = 1024 * 1024

export interface SessionOptions extends OfferContext {
  readonly counters: Counters
  readonly logger: Logger
  readonly logLimit: LogLimit
  readonly budget: HoldBudget
  readonly maxFrameBytes: number
  /** How long a connection that ends may take to get rid of what was written to it. */
  readonly closeLimitMs: number
  readonly onClosed: (session: Session) => void
}

export class Session {
  readonly #client: Socket
  readonly #options: SessionOptions
  readonly #toClient: Outlet
  readonly #requests: FrameStream
  readonly #answers: FrameStream
  readonly #owed: OwedAnswers
  #state: 'connecting' | 'open' | 'ending' | 'closed' = 'connecting'
  #endCause: DisconnectCause = 'client_closed'
  #drains = false
  #upstream: Socket | null = null
  #toUpstream: Outlet | null = null
  #request: HeldRequest | null = null
  /** A Produce whose first bytes have been passed on, and whose last have not. */
  #underWay: ProduceUnderWay | null = null
  /** True while questions are under way after which more may be asked. */
  #mayAskMore = false
  /** The client sends no more; to be dealt with once its requests go on. */
  #clientEnded = false
  #openSockets = 1
  #countedToClient = 0

  /** `client` has not been read from. */
  constructor (client: Socket, options: SessionOptions) {
    this.#client = client
    this.#options = options
    this.#toClient = new Outlet(client)
    this.#owed = new OwedAnswers(this.#toClient, options.maxFrameBytes)
    this.#requests = new FrameStream({
      onHead: (buffer, offset, totalBytes) => this.#onRequestHead(buffer, offset, totalBytes),
      onPart: held => this.#onRequestPart(held),
      onFrame: frame => this.#onRequest(frame),
      onPass: (chunk, start, end) => this.#passRequest(chunk, start, end),
      onEnd: () => { this.#underWay = null }
    }, { headBytes: REQUEST_HEAD_BYTES, maxFrameBytes: options.maxFrameBytes })
    this.#answers = new FrameStream({
      onHead: (buffer, offset, totalBytes) => this.#onAnswerHead(buffer, offset, totalBytes),
      onPart: () => false,
      onFrame: frame => !this.#owed.rewrite(frame),
      onPass: (chunk, start, end) => this.#toClient.forward(chunk, start, end),
      onEnd: () => this.#owed.next()
    }, { headBytes: ANSWER_HEAD_BYTES, maxFrameBytes: MAX_ANSWER_BYTES })
    client.pause()
    client.on('error', () => { this.#lose('client_error') })
    client.on('close', () => {
      this.#lose('client_error')
      this.#socketClosed()
    })
  }

  /** How many bytes of requests and answers are held here at the moment, beside what the sockets hold. */
  get heldBytes (): number {
    return this.#requests.heldBytes + this.#answers.heldBytes + this.#owed.readyBytes
  }

  /** True while the client is read. */
  get isRead (): boolean {
    return !this.#client.isPaused()
  }

  /** Takes the connection to the broker over and starts. */
  start (upstream: Socket): void {
    if (this.#state !== 'connecting') {
      upstream.destroy()
      return
    }
    this.#state = 'open'
    this.#upstream = upstream
    this.#toUpstream = new Outlet(upstream)
    this.#openSockets++
    upstream.on('data', chunk => {
      this.#onEvent(this.#answers, chunk, 'upstream_malformed')
      if (this.#requests.isSuspended && !this.#mayAskMore) this.#resumeRequests()
    })
    upstream.on('end', () => { this.#lose('upstream_closed') })
    upstream.on('error', () => { this.#lose('upstream_error') })
    upstream.on('drain', () => { this.regulate() })
    upstream.on('close', () => {
      this.#lose('upstream_error')
      this.#socketClosed()
    })
    this.#client.on('data', chunk => {
      this.#options.counters.bytesFromClients += chunk.length
      this.#onEvent(this.#requests, chunk, 'client_malformed')
    })
    this.#client.on('end', () => { this.#onClientEnd() })
    this.#client.on('drain', () => { this.regulate() })
    this.regulate()
  }

  /** There is no broker to connect to. */
  fail (cause: DisconnectCause): void {
    this.#close(cause)
  }

  /** No more requests; the connection is closed as soon as all that were read are answered. */
  drain (): void {
    if (this.#state === 'connecting') this.#close('drain_completed')
    if (this.#state !== 'open') return
    this.#drains = true
    this.regulate()
  }

  /** Closes at once. */
  destroy (cause: DisconnectCause): void {
    this.#close(cause)
    this.#client.destroy()
    this.#upstream?.destroy()
  }

  /** What is held here has been so for too long. */
  giveUp (): void {
    const { logger, logLimit } = this.#options
    logLimit.run('stalled', skipped => logger.warn({ skipped, client: this.#client.remoteAddress }, 'a client began a request and did not go on with it, or takes none of its answers: closing its connection'))
    this.destroy('client_stalled')
  }

  /** All that follows from one chunk. `nonsense` is the cause when it cannot be understood. */
  #onEvent (stream: FrameStream, chunk: Buffer, nonsense: 'client_malformed' | 'upstream_malformed'): void {
    try {
      stream.push(chunk)
    } catch (error) {
      if (error instanceof DecodeError) this.#nonsense(nonsense, error)
      else this.#defect(error)
    }
    this.#flush()
    this.regulate()
  }

  /** The client's requests go on where they had to wait for an answer. */
  #resumeRequests (): void {
    for (const chunk of this.#requests.resume()) this.#onEvent(this.#requests, chunk, 'client_malformed')
    if (this.#clientEnded) this.#onClientEnd()
    this.regulate()
  }

  #flush (): void {
    this.#toUpstream?.flush()
    this.#toClient.flush()
    this.#options.counters.bytesToClients += this.#toClient.bytes - this.#countedToClient
    this.#countedToClient = this.#toClient.bytes
  }

  /** Decides which sides are read, and whether it is over. */
  regulate (): void {
    const client = this.#client
    const upstream = this.#upstream
    if (upstream === null || this.#state === 'closed') return
    if (this.#drains && this.#state === 'open' && !this.#requests.isPassing && !this.#requests.isSuspended) this.#end('drain_completed')
    if (this.#state === 'ending' && this.#owed.count === 0) {
      this.#close(this.#endCause)
      return
    }
    const { budget } = this.#options
    budget.update(this, this.#requests.heldBytes, this.#owed.readyBytes + Math.max(0, client.writableLength - MAX_READY_BYTES))
    const isFull = !budget.mayRead(this) || this.#requests.isSuspended || isBehind(client) || isBehind(upstream) || this.#owed.count >= MAX_PENDING || this.#owed.readyBytes >= MAX_READY_BYTES
    pauseIf(client, isFull)
    pauseIf(upstream, isBehind(client))
  }

  #onClientEnd (): void {
    if (this.#state !== 'open') return
    if (this.#requests.isSuspended) {
      // A socket tells of its end even while it is not read. There may be more to ask, and more that was sent before.
      this.#clientEnded = true
      return
    }
    this.#end('client_closed')
    // The broker is told, too: what it still answers goes to a client that only closed one half.
    this.#upstream?.end()
    this.regulate()
  }

  /** Nothing more is taken from the client; what it is owed is still given. */
  #end (cause: DisconnectCause): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    this.#endCause = cause
    this.#requests.stop()
  }

  /** A socket is gone. Where the connection was ending anyway, that is why. */
  #lose (cause: DisconnectCause): void {
    this.#close(this.#state === 'ending' ? this.#endCause : cause)
  }

  #close (cause: DisconnectCause): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#requests.stop()
    this.#answers.stop()
    this.#flush()
    const { counters, logger, closeLimitMs, budget } = this.#options
    budget.update(this, 0, 0)
    counters.disconnect(cause)
    logger.debug({ cause }, 'a connection is closed')
    closeGently(this.#client, closeLimitMs)
    if (this.#upstream !== null) closeGently(this.#upstream, closeLimitMs)
  }

  #socketClosed (): void {
    this.#openSockets--
    if (this.#openSockets === 0) this.#options.onClosed(this)
  }

  #nonsense (cause: 'client_malformed' | 'upstream_malformed', error: DecodeError): void {
    const { logger, logLimit } = this.#options
    const whose = cause === 'client_malformed' ? 'a client sent' : 'a broker sent'
    logLimit.run(cause, skipped => logger.warn({ err: error, skipped, client: this.#client.remoteAddress }, `${whose} what cannot be read`))
    // What a client asked for before is still answered. What a broker says after nonsense is worth nothing.
    if (cause === 'client_malformed') this.#end(cause)
    else this.#close(cause)
  }

  #defect (error: unknown): void {
    this.#options.logger.error({ err: error }, `a connection ends because of a defect: ${messageOf(error)}`)
    this.destroy('internal_error')
  }

  #onRequestHead (buffer: Buffer, offset: number, totalBytes: number): 'pass' | 'hold' {
    const apiKey = buffer.readInt16BE(offset + 4)
    const version = buffer.readInt16BE(offset + 6)
    const correlationId = buffer.readInt32BE(offset + 8)
    const offer = offerOf(apiKey)
    this.#request = null
    this.#options.counters.request(offer?.name ?? 'unknown')
    const isOffered = offer !== null && version >= offer.minVersion && version <= offer.maxVersion
    if (offer === null || (!isOffered && !offer.canRefuseVersion(version))) {
      this.#refuseApi(apiKey, version, offer)
      return 'hold'
    }
    if (isOffered && offer.peek === null && !offer.isJudged(version, this.#options)) {
      this.#owed.expect(correlationId, offer.rewriteFor(version, this.#options))
      return 'pass'
    }
    this.#request = new HeldRequest({ offer, version, correlationId, isOffered, totalBytes }, this.#options)
    return 'hold'
  }

  /** Nobody here knows what an answer would look like, so that closing is the only one; Kafka's own brokers do the same. */
  #refuseApi (apiKey: number, version: number, offer: Offer | null): void {
    const { logger, logLimit, counters } = this.#options
    const api = offer?.name ?? 'unknown'
    counters.refused(api)
    logLimit.once(`api ${apiKey}`, () => logger.warn({ apiKey, version, api, client: this.#client.remoteAddress }, 'a client used an API or version that is not offered: closing its connection'))
    this.#end('api_refused')
  }

  #onRequestPart (held: HeldFrame): boolean {
    const request = this.#request
    if (request === null || !request.passesEarly(held)) return false
    if (request.topics.length > 0) this.#underWay = new ProduceUnderWay(request.topics, this.#options.rules)
    this.#expect(request)
    return true
  }

  #onRequest (whole: Buffer): boolean {
    const request = this.#request
    if (request === null) return false
    const { offer, version, correlationId, isOffered } = request
    const frame = whole.subarray(LENGTH_BYTES)
    if (!isOffered) {
      this.#options.counters.refused(offer.name)
      const answer = offer.refuseVersion(frame, version)
      if (answer === null) this.#endAcks0()
      else this.#owed.give(correlationId, answer)
      return false
    }
    const judgement = request.passesWhole(whole) ? null : offer.judge(frame, version, this.#options)
    if (judgement === null) {
      this.#expect(request)
      return true
    }
    this.#carryOut(judgement, request)
    return false
  }

  /** The broker gets the request as it is. */
  #expect ({ offer, version, correlationId, wantsAnswer }: HeldRequest): void {
    if (wantsAnswer) this.#owed.expect(correlationId, offer.rewriteFor(version, this.#options))
  }

  /** The end of a Produce does not go out where one of its topics has become read-only since its beginning did: a broker appends nothing of a part. */
  #passRequest (chunk: Buffer, start: number, end: number): void {
    if (this.#underWay === null || this.#underWay.isAllowed()) {
      this.#toUpstream?.forward(chunk, start, end)
      return
    }
    const { counters, logger, logLimit } = this.#options
    counters.refused(Produce.name)
    logLimit.run('late', skipped => logger.warn({ skipped, client: this.#client.remoteAddress }, 'a topic became read-only while records for it were coming in: closing the connection before the broker has all of them'))
    this.#close('refused_late')
  }

  #carryOut ({ decision, isRefusal }: Judgement, { offer, version, correlationId, wantsAnswer }: HeldRequest): void {
    // To ask about a topic that must not be created is nothing that is refused.
    if (isRefusal && offer.key !== Metadata.key) this.#options.counters.refused(offer.name)
    if (!wantsAnswer) {
      if (decision.kind === 'ask') for (const { frame } of decision.questions) this.#toUpstream?.write(frame)
      this.#endAcks0()
    } else if (decision.kind === 'ask') this.#ask(decision, correlationId)
    else if (decision.kind === 'amend') {
      this.#owed.expect(correlationId, offer.rewriteFor(version, this.#options))
      this.#toUpstream?.write(decision.frame)
    } else this.#owed.give(correlationId, decision.frame)
  }

  /** Asks all questions of a round; the answer to the last one shows what comes next. Until then, none but the client's earlier answers come. */
  #ask ({ questions, isLast, next }: Extract<Decision, { readonly kind: 'ask' }>, correlationId: number): void {
    this.#mayAskMore = !isLast
    if (!isLast) this.#requests.suspend()
    for (const [index, { frame, take }] of questions.entries()) {
      this.#owed.expect(correlationId, answer => {
        take(answer)
        if (index < questions.length - 1) return []
        const decision = next()
        if (decision.kind === 'ask') {
          this.#ask(decision, correlationId)
          return []
        }
        if (!isLast) this.#mayAskMore = false
        return decision.frame
      })
      this.#toUpstream?.write(frame)
    }
  }

  #endAcks0 (): void {
    const { counters, logger, logLimit } = this.#options
    counters.refusedAcks0++
    logLimit.run('acks0', skipped => logger.warn({ skipped, client: this.#client.remoteAddress }, 'records for a read-only topic were refused that asked for no answer (acks=0): closing the connection to say so'))
    this.#end('acks0_refused')
  }

  #onAnswerHead (buffer: Buffer, offset: number, totalBytes: number): 'pass' | 'hold' {
    const correlationId = buffer.readInt32BE(offset + 4)
    const expected = this.#owed.nextCorrelationId
    if (expected === correlationId) return this.#owed.isHeld(totalBytes) ? 'hold' : 'pass'
    const { logger, logLimit } = this.#options
    logLimit.run('correlation', skipped => logger.error({ skipped, correlationId, expected }, 'a broker answered another request than the oldest one: closing the connection'))
    this.#close('correlation_mismatch')
    return 'hold'
  }
}

/** True when the other side takes less than it is given; `drain` says when that is over. */
function isBehind (socket: Socket): boolean {
  return socket.writableLength >= MAX_WAITING_BYTES
}

function pauseIf (socket: Socket, isFull: boolean): void {
  if (isFull === socket.isPaused()) return
  if (isFull) socket.pause()
  else socket.resume()
}
