/** The fetch sessions of all followers. Source: kafka.server.FetchManager. */
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import { onAbort } from '../../../net/abort.ts'
import { FetchSession, type FetchRequestBody } from './fetch-session.ts'
import type { ShadowPartitions } from './shadow-partitions.ts'

/** Epochs of a request that is part of no session: one that opens a session, and one that does not. */
const INITIAL_EPOCH = 0
const FINAL_EPOCH = -1

/** From this version on topics are named by their ids. */
const MIN_ID_VERSION = 13

/** A broker has one per fetcher thread (`num.replica.fetchers`), and for a while those of connections that it has given up. */
const MAX_SESSIONS_PER_BROKER = 64

export interface FetchSessionsOptions {
  readonly partitions: ShadowPartitions
  readonly now: () => number
  /** Numbers from 0 up to, and without, 1, that nobody can guess. */
  readonly random: () => number
}

export interface Asking {
  readonly brokerId: number
  readonly apiVersion: number
  /** The connection of the request: a session ends with it. */
  readonly connection: { readonly signal: AbortSignal }
}

export type Opened =
  /** `isFull`: the answer must hold all partitions. */
  | { readonly session: FetchSession, readonly isFull: boolean }
  | { readonly errorCode: number }

interface KeptSession {
  readonly session: FetchSession
  readonly connection: Asking['connection']
  readonly stopWaiting: () => void
}

export class FetchSessions {
  readonly #options: FetchSessionsOptions
  readonly #sessions = new Map<number, KeptSession>()

  constructor (options: FetchSessionsOptions) {
    this.#options = options
  }

  get size (): number {
    return this.#sessions.size
  }

  /** The session that a request belongs to, with what the request changes. */
  open (body: FetchRequestBody, { brokerId, apiVersion, connection }: Asking): Opened {
    const usesTopicIds = apiVersion >= MIN_ID_VERSION
    const { sessionId, sessionEpoch } = body
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      // A full request ends the session that it names.
      if (this.#sessions.get(sessionId)?.session.brokerId === brokerId) this.#remove(sessionId)
      const keeps = sessionEpoch === INITIAL_EPOCH && brokerId >= 0 && body.topics.length > 0 && !connection.signal.aborted
      const { partitions, now } = this.#options
      const session = new FetchSession({ id: keeps ? this.#newId() : 0, brokerId, usesTopicIds, partitions, now })
      session.update(body)
      if (keeps) this.#keep(session, connection)
      return { session, isFull: true }
    }
    const known = this.#sessions.get(sessionId)
    if (known === undefined || known.connection !== connection || known.session.brokerId !== brokerId) return { errorCode: ErrorCodes.FETCH_SESSION_ID_NOT_FOUND }
    const { session } = known
    if (session.epoch !== sessionEpoch) return { errorCode: ErrorCodes.INVALID_FETCH_SESSION_EPOCH }
    if (session.usesTopicIds !== usesTopicIds) return { errorCode: ErrorCodes.FETCH_SESSION_TOPIC_ID_ERROR }
    session.update(body)
    session.advance()
    return { session, isFull: false }
  }

  /** A request of the session has been answered. One without partitions, or that was for this request only, is over. */
  answered (session: FetchSession): void {
    if (this.isKept(session)) return
    this.#remove(session.id)
    session.close()
  }

  /** True when the session is there for a next request. */
  isKept (session: FetchSession): boolean {
    return session.size > 0 && this.#sessions.get(session.id)?.session === session
  }

  #keep (session: FetchSession, connection: Asking['connection']): void {
    this.#sessions.set(session.id, { session, connection, stopWaiting: onAbort(connection.signal, () => this.#remove(session.id)) })
    const ofBroker = [...this.#sessions.values()].filter(kept => kept.session.brokerId === session.brokerId)
    for (const old of ofBroker.slice(0, Math.max(0, ofBroker.length - MAX_SESSIONS_PER_BROKER))) this.#remove(old.session.id)
  }

  #remove (id: number): void {
    const known = this.#sessions.get(id)
    if (known === undefined) return
    this.#sessions.delete(id)
    known.stopWaiting()
    // One that is being answered is closed by `answered`.
    if (!known.session.isBusy) known.session.close()
  }

  #newId (): number {
    for (;;) {
      const id = 1 + Math.floor(this.#options.random() * 0x7ffffffe)
      if (!this.#sessions.has(id)) return id
    }
  }
}
