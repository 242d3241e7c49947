/**
 * What the shadow leader is to the other brokers of its cluster: a listener that offers what replica fetchers and transaction
 * coordinators send to a leader, in the versions that they send without asking (facts/kafka-replica-mode.md §5.2), and nothing else.
 */
import { DecodeError } from '../../../../protocol/errors/protocol-errors.ts'
import { ErrorCodes } from '../../../../protocol/errors/codes.ts'
import { decodeRequest, encodeResponse } from '../../../../protocol/header.ts'
import { ApiVersions } from '../../../../protocol/messages/api-versions.ts'
import { Fetch } from '../../../../protocol/messages/fetch.ts'
import { ListOffsets } from '../../../../protocol/messages/list-offsets.ts'
import { OffsetForLeaderEpoch } from '../../../../protocol/messages/offset-for-leader-epoch.ts'
import { Produce } from '../../../../protocol/messages/produce.ts'
import { WriteTxnMarkers } from '../../../../protocol/messages/write-txn-markers.ts'
import type { Api, RequestOf, ResponseInput } from '../../../../protocol/schema/api.ts'
import { parseVersionRange } from '../../../../protocol/schema/version-range.ts'
import type { Socket } from 'node:net'
import type { HostPort } from '../../../net/host-port.ts'
import { Listener } from '../../../net/server/listener.ts'
import { OfferedApis, type OfferedApi } from '../../../net/server/offered-apis.ts'
import type { FrameAnswer, ServerConnection } from '../../../net/server/server-connection.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { ClientPassage } from './client-passage.ts'
import { FetchSessions } from './fetch-sessions.ts'
import { FetchHandler } from './handlers/fetch.ts'
import { listOffsets, offsetForLeaderEpoch } from './handlers/offsets.ts'
import { refuseProduce, writeTxnMarkers } from './handlers/writes.ts'
import type { ShadowPartitions } from './shadow-partitions.ts'

export interface ShadowLeaderServerOptions {
  /** Our own broker id on the shadow cluster, as it is at the moment. */
  readonly brokerId: () => number
  readonly partitions: ShadowPartitions
  /** Asked before and after every request: when it says false, nothing is answered, and the connection ends. Default: always true. */
  readonly mayServe?: () => boolean
  readonly logger: Logger
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Takes connections that are no broker's; without it they are answered what little there is to answer. */
  readonly clients?: ClientPassage
  /** Numbers from 0 up to, and without, 1, that nobody can guess. */
  readonly random: () => number
  /** No request may be larger. Default 16 MiB: a follower's Fetch has about 50 bytes per partition. */
  readonly maxFrameBytes?: number
  /** No answer holds more records, but for one batch. Default 16 MiB; a follower asks for 10 MiB at most unless told otherwise. */
  readonly maxResponseBytes?: number
  /** A follower that does not take an answer within so many milliseconds is disconnected: its memory is needed. Default 30 s. */
  readonly writeTimeoutMs?: number
}

interface Request<A extends Api> {
  readonly body: RequestOf<A>
  readonly apiVersion: number
  readonly connection: ServerConnection
}

interface Answer<A extends Api> {
  readonly body: ResponseInput<A>
  readonly onSent?: () => void
}

interface Endpoint extends OfferedApi {
  readonly run: (frame: Buffer, apiVersion: number, connection: ServerConnection) => Promise<FrameAnswer | null>
}

const MIB = 1024 * 1024
const DEFAULT_MAX_FRAME_BYTES = 16 * MIB
const DEFAULT_MAX_RESPONSE_BYTES = 16 * MIB
const DEFAULT_WRITE_TIMEOUT_MS = 30_000

export class ShadowLeaderServer {
  readonly #listener: Listener
  readonly #sessions: FetchSessions

  private constructor (listener: Listener, sessions: FetchSessions) {
    this.#listener = listener
    this.#sessions = sessions
  }

  /** Port 0: one that the system chooses. Rejects when the address cannot be listened on. */
  static async open (address: HostPort, options: ShadowLeaderServerOptions): Promise<ShadowLeaderServer> {
    const { brokerId, partitions, now, random, logger, mayServe = () => true } = options
    const sessions = new FetchSessions({ partitions, now, random })
    const fetch = new FetchHandler({ sessions, brokerId, maxResponseBytes: options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES })
    const apis: OfferedApis<Endpoint> = new OfferedApis([
      endpoint(Produce, '3-13', ({ body }) => {
        // Who wants no answer is told by the end of the connection, as a broker does after an error.
        if (body.acks === 0) throw new DecodeError('a produce request without acknowledgement, to a shadow leader')
        return { body: refuseProduce(partitions, body) }
      }),
      endpoint(Fetch, '12-18', ({ body, apiVersion, connection }) => fetch.handle(body, apiVersion, connection)),
      endpoint(ListOffsets, '7-11', ({ body }) => ({ body: listOffsets(partitions, body) })),
      endpoint(OffsetForLeaderEpoch, '4-4', ({ body }) => ({ body: offsetForLeaderEpoch(partitions, body) })),
      endpoint(WriteTxnMarkers, '0-2', ({ body }) => ({ body: writeTxnMarkers(partitions, body) })),
      endpoint(ApiVersions, '0-4', () => ({ body: { errorCode: ErrorCodes.NONE, apiKeys: apis.listed } }))
    ])
    const { clients } = options
    const listener = await Listener.open(address, {
      ...(clients === undefined ? {} : { diverts: (apiKey: number, socket: Socket) => clients.takes(apiKey, socket) }),
      maxFrameBytes: options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES,
      writeTimeoutMs: options.writeTimeoutMs ?? DEFAULT_WRITE_TIMEOUT_MS,
      logger,
      handle: async (frame, connection) => {
        const found = apis.find(frame)
        const answer = !mayServe() ? null : 'refusal' in found ? { chunks: found.refusal } : await found.offered.run(frame, found.apiVersion, connection)
        if (mayServe()) return answer
        // Another engine may be the shadow leader by now, and know other things.
        answer?.onSent?.()
        connection.reset()
        return null
      }
    })
    return new ShadowLeaderServer(listener, sessions)
  }

  get address (): HostPort {
    return this.#listener.address
  }

  get connectionCount (): number {
    return this.#listener.connections.size
  }

  /** How many fetch sessions are kept. */
  get sessionCount (): number {
    return this.#sessions.size
  }

  /** Closes the listener and every connection. */
  close (): Promise<void> {
    return this.#listener.close()
  }
}

function endpoint<A extends Api> (api: A, versions: `${number}-${number}`, handle: (request: Request<A>) => Answer<A> | Promise<Answer<A>>): Endpoint {
  return {
    api,
    versions: parseVersionRange(versions),
    run: async (frame, apiVersion, connection) => {
      const { header: { correlationId }, body } = decodeRequest(api, apiVersion, frame)
      const answer = await handle({ body, apiVersion, connection })
      try {
        const chunks = encodeResponse(api, apiVersion, { correlationId }, answer.body)
        return answer.onSent === undefined ? { chunks } : { chunks, onSent: answer.onSent }
      } catch (error) {
        answer.onSent?.()
        throw error
      }
    }
  }
}
