/**
 * Clients that come to the shadow leader's port. In a cluster with one listener for everybody they are told of it as of any other
 * broker, and one in so many picks it, for a start or as "the controller". It can answer followers alone, and so every other
 * connection is passed through to a real broker, unread: nothing that a client asks of "broker 3000" is lost, and what it asks of
 * a shadow partition is refused by the real broker, which does not lead it.
 */
import type { Socket } from 'node:net'
import { Fetch } from '../../../../protocol/messages/fetch.ts'
import { ListOffsets } from '../../../../protocol/messages/list-offsets.ts'
import { OffsetForLeaderEpoch } from '../../../../protocol/messages/offset-for-leader-epoch.ts'
import { WriteTxnMarkers } from '../../../../protocol/messages/write-txn-markers.ts'
import { messageOf } from '../../../errors.ts'
import type { Dial } from '../../../net/dial.ts'
import type { HostPort } from '../../../net/host-port.ts'
import type { Logger } from '../../../observability/logger.ts'

/** What brokers begin a connection with. Clients begin with ApiVersions. */
const BROKER_APIS: ReadonlySet<number> = new Set([Fetch.key, ListOffsets.key, OffsetForLeaderEpoch.key, WriteTxnMarkers.key])

const DIAL_TIMEOUT_MS = 5000

export interface ClientPassageOptions {
  /** A real broker, by the listener that the shadow leader has; null while none is known. */
  readonly target: () => HostPort | null
  readonly dial: Dial
  readonly logger: Logger
}

export class ClientPassage {
  readonly #options: ClientPassageOptions
  readonly #open = new Set<Socket>()

  constructor (options: ClientPassageOptions) {
    this.#options = options
  }

  /** How many clients are passed through at the moment. */
  get count (): number {
    return this.#open.size
  }

  /** True when the connection is a client's, which is then taken care of. `apiKey` is the first request's. */
  takes (apiKey: number, client: Socket): boolean {
    if (BROKER_APIS.has(apiKey)) return false
    this.#open.add(client)
    client.on('close', () => this.#open.delete(client))
    client.on('error', () => client.destroy())
    this.#pass(client).catch((error: unknown) => {
      this.#options.logger.debug({ err: error }, `a client of the shadow leader could not be passed on: ${messageOf(error)}`)
      client.destroy()
    })
    return true
  }

  async #pass (client: Socket): Promise<void> {
    const { target, dial } = this.#options
    const address = target()
    if (address === null) throw new Error('no real broker is known')
    client.pause()
    const broker = await dial(address, { timeoutMs: DIAL_TIMEOUT_MS })
    if (client.destroyed) {
      broker.destroy()
      return
    }
    client.setNoDelay(true)
    broker.on('error', () => client.destroy())
    broker.on('close', () => client.destroy())
    client.on('close', () => broker.destroy())
    client.pipe(broker)
    broker.pipe(client)
  }

  close (): void {
    for (const client of this.#open) client.destroy()
  }
}
