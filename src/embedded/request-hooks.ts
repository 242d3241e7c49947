/** What tests can make a broker do with requests, instead of or besides answering them truthfully. */
import type { Api, RequestOf, ResponseInput } from '../../protocol/schema/api.ts'
import type { ServerConnection } from '../net/server/server-connection.ts'

export interface HookedRequest<A extends Api = Api> {
  readonly api: Api
  readonly apiVersion: number
  readonly body: RequestOf<A>
  readonly clientId: string | null
  readonly connectionId: number
  readonly connection: ServerConnection
}

/**
 * - `pass`: nothing special.
 * - `delayMs`: handled after that time, even if the client is gone by then.
 * - `drop`: neither handled nor answered. Answers come in order, so nothing after it on this connection is answered either.
 * - `dropAfterHandling`: handled and never answered.
 * - `disconnect`: the connection is reset, nothing is handled.
 * - `disconnectAfterHandling`: handled, then the connection is reset before the answer: whether it was done is for the client to find out.
 * - `answer`: this is answered and nothing is handled.
 * - `transform`: handled, and the answer is changed.
 */
export type HookOutcome<A extends Api = Api> =
  | 'pass'
  | 'drop'
  | 'disconnect'
  | { readonly delayMs: number }
  | { readonly dropAfterHandling: true }
  | { readonly disconnectAfterHandling: true }
  | { readonly answer: ResponseInput<A> }
  | { readonly transform: (response: ResponseInput<A>) => ResponseInput<A> }

/** May be asynchronous, so that a test can hold a request until something else has happened. */
export type RequestHook<A extends Api = Api> = (request: HookedRequest<A>) => HookOutcome<A> | Promise<HookOutcome<A>>

type Registered = { readonly api: Api, readonly hook: unknown } | { readonly api: null, readonly hook: RequestHook }

export class RequestHooks {
  #hooks: readonly Registered[] = []

  add (hook: RequestHook): () => void {
    return this.#add({ api: null, hook })
  }

  addFor<A extends Api> (api: A, hook: RequestHook<A>): () => void {
    return this.#add({ api, hook })
  }

  #add (registered: Registered): () => void {
    this.#hooks = [...this.#hooks, registered]
    return () => { this.#hooks = this.#hooks.filter(other => other !== registered) }
  }

  /** What the first hook that does not pass says. */
  async outcome<A extends Api> (api: A, request: HookedRequest<A>): Promise<HookOutcome<A>> {
    for (const { api: only, hook } of this.#hooks) {
      if (only !== null && only.key !== api.key) continue
      // A hook for one API was added with that API's types; one for all takes every body as a record of unknown fields.
      const outcome = await (hook as RequestHook<A>)(request)
      if (outcome !== 'pass') return outcome
    }
    return 'pass'
  }
}
