import { DISCONNECT_CAUSES, type DisconnectCause } from './disconnect-cause.ts'
import type { SidecarCounters } from './sidecar-status.ts'

/** What a sidecar has counted since it started. */
export class Counters {
  connectionsOpened = 0
  bytesFromClients = 0
  bytesToClients = 0
  refusedAcks0 = 0
  readonly #requests = new Map<string, number>()
  readonly #refused = new Map<string, number>()
  readonly #disconnects = new Map<DisconnectCause, number>(DISCONNECT_CAUSES.map(cause => [cause, 0]))

  request (api: string): void {
    increment(this.#requests, api)
  }

  refused (api: string): void {
    increment(this.#refused, api)
  }

  disconnect (cause: DisconnectCause): void {
    increment(this.#disconnects, cause)
  }

  snapshot (): SidecarCounters {
    const disconnects = {} as Record<DisconnectCause, number>
    for (const cause of DISCONNECT_CAUSES) disconnects[cause] = this.#disconnects.get(cause) ?? 0
    return {
      connectionsOpened: this.connectionsOpened,
      requests: Object.fromEntries(this.#requests),
      refused: Object.fromEntries(this.#refused),
      refusedAcks0: this.refusedAcks0,
      disconnects,
      bytesFromClients: this.bytesFromClients,
      bytesToClients: this.bytesToClients
    }
  }
}

function increment<K> (counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
