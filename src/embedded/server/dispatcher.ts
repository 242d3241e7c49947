/** From a frame to the handler of its API, through the hooks, and back to a frame. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { decodeRequest, encodeResponse } from '../../../protocol/header.ts'
import { ApiVersions } from '../../../protocol/messages/api-versions.ts'
import type { Api, RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { VersionRange } from '../../../protocol/schema/version-range.ts'
import { OfferedApis, type OfferedApi } from '../../net/server/offered-apis.ts'
import type { FrameAnswer, ServerConnection } from '../../net/server/server-connection.ts'
import type { RequestHooks } from '../request-hooks.ts'

/** What a handler knows of a request besides its body. */
export interface RequestContext {
  readonly apiVersion: number
  readonly clientId: string | null
  readonly clientHost: string
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal
}

/** Null: no answer is due, which only Produce with acks=0 knows. */
export type Handle<A extends Api> = (body: RequestOf<A>, context: RequestContext) => ResponseInput<A> | null | Promise<ResponseInput<A> | null>

/** One API as it is offered, its types forgotten. */
export interface Endpoint extends OfferedApi {
  readonly run: (received: Received) => Promise<readonly Buffer[] | null>
}

interface Received {
  readonly frame: Buffer
  readonly apiVersion: number
  readonly connection: ServerConnection
  readonly hooks: RequestHooks
  /** False when the broker has stopped: what was delayed until then must not touch files that may be another's by now. */
  readonly isOpen: () => boolean
}

/** Offers an API in all versions that are declared, or in fewer. */
export function endpoint<A extends Api> (api: A, handle: Handle<A>, versions: VersionRange = api.versions): Endpoint {
  return { api, versions, run: received => run(api, handle, received) }
}

async function run<A extends Api> (api: A, handle: Handle<A>, { frame, apiVersion, connection, hooks, isOpen }: Received): Promise<readonly Buffer[] | null> {
  const { header: { correlationId, clientId }, body } = decodeRequest(api, apiVersion, frame)
  const outcome = await hooks.outcome(api, { api, apiVersion, body, clientId, connectionId: connection.id, connection })
  if (outcome === 'drop') return await never(connection)
  if (outcome === 'disconnect') {
    connection.reset()
    return null
  }
  const encode = (response: ResponseInput<A>): Buffer[] => encodeResponse(api, apiVersion, { correlationId }, response)
  if (outcome !== 'pass' && 'answer' in outcome) return encode(outcome.answer)
  // Not cut short when the connection closes: a slow broker does what it was asked for after the client has given up.
  if (outcome !== 'pass' && 'delayMs' in outcome) await new Promise(resolve => setTimeout(resolve, outcome.delayMs).unref())
  if (!isOpen()) return null
  const response = await handle(body, { apiVersion, clientId, clientHost: connection.remoteHost, signal: connection.signal })
  if (outcome !== 'pass' && 'dropAfterHandling' in outcome) return await never(connection)
  if (outcome !== 'pass' && 'disconnectAfterHandling' in outcome) {
    connection.reset()
    return null
  }
  if (response === null) return null
  return encode(outcome !== 'pass' && 'transform' in outcome ? outcome.transform(response) : response)
}

/** Resolves when the connection is closed. */
function never (connection: ServerConnection): Promise<null> {
  return new Promise(resolve => {
    if (connection.signal.aborted) resolve(null)
    else connection.signal.addEventListener('abort', () => resolve(null), { once: true })
  })
}

export class Dispatcher {
  readonly #endpoints: OfferedApis<Endpoint>
  readonly #hooks: RequestHooks
  #isOpen = true

  constructor (endpoints: readonly Endpoint[], hooks: RequestHooks) {
    this.#hooks = hooks
    this.#endpoints = new OfferedApis([...endpoints, endpoint(ApiVersions, () => ({ errorCode: ErrorCodes.NONE, apiKeys: this.#endpoints.listed }))])
  }

  /** Nothing is handled any more. */
  close (): void {
    this.#isOpen = false
  }

  /**
   * The answer to a request, null when none is due.
   * @throws {DecodeError} for what cannot be answered: an API or version that is not offered, bytes that are no request
   */
  async dispatch (frame: Buffer, connection: ServerConnection): Promise<FrameAnswer | null> {
    const found = this.#endpoints.find(frame)
    if ('refusal' in found) return { chunks: found.refusal }
    const { offered, apiVersion } = found
    const chunks = await offered.run({ frame, apiVersion, connection, hooks: this.#hooks, isOpen: () => this.#isOpen })
    return chunks === null ? null : { chunks }
  }
}
