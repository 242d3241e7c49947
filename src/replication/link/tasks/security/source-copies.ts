/**
 * What the links of the source cluster have copied there from this shadow cluster: two clusters that shadow each other would else give each
 * other back what was taken away on one of them, for ever. The source's own state topic tells it.
 */
import type { Cluster } from '../../../../client/cluster.ts'
import { ShadowError } from '../../../../errors.ts'
import { abortedWithin, throwIfAborted } from '../../../../net/abort.ts'
import type { Logger } from '../../../../observability/logger.ts'
import type { LinkState } from '../../../../state/link-state.ts'
import { StateFollower } from '../../../../state/state-follower.ts'
import { STATE_TOPIC } from '../../../../state/state-topic.ts'

const READ_MS = 10_000
/** How old what was read may be. */
const FRESH_MS = 10_000

export interface SourceCopiesOptions {
  readonly source: Cluster
  readonly shadow: Cluster
  /** Connections to the source of their own: those that copy must not wait behind these. */
  readonly connect: () => Cluster
  readonly signal: AbortSignal
  readonly logger: Logger
}

export class SourceCopies {
  readonly #options: SourceCopiesOptions
  #following: { readonly cluster: Cluster, readonly follower: StateFollower } | null = null

  constructor (options: SourceCopiesOptions) {
    this.#options = options
  }

  /** By the ids that ledgers use. Asks after a look at the source's state topic, and at either cluster's brokers. @throws {ShadowError} when the source has a state topic that cannot be read */
  async ids (): Promise<ReadonlySet<string>> {
    const { source, shadow } = this.#options
    if (source.lastView?.topics.has(STATE_TOPIC) !== true) return new Set()
    const shadowId = shadow.lastView?.clusterId ?? null
    const state = await this.#read()
    const ids = new Set<string>()
    for (const [name, { sourceClusterId }] of state.links) {
      if (sourceClusterId === null || sourceClusterId !== shadowId) continue
      for (const { id } of state.securityOf(name)) ids.add(id)
    }
    return ids
  }

  async stop (): Promise<void> {
    const following = this.#following
    this.#following = null
    await following?.follower.stop()
    await following?.cluster.close()
  }

  async #read (): Promise<LinkState> {
    const { connect, signal, logger } = this.#options
    if (this.#following === null) {
      const cluster = connect()
      this.#following = { cluster, follower: StateFollower.start(cluster, { logger }) }
    }
    const { follower } = this.#following
    try {
      const state = await follower.reached(0, abortedWithin(signal, READ_MS))
      if (follower.ageMs() <= FRESH_MS) return state
    } catch {
      throwIfAborted(signal)
    }
    throw new ShadowError('CONFLICT', `the source is a shadow cluster itself, and what its links have copied there cannot be read from its topic ${STATE_TOPIC}${follower.problem === null ? '' : ` (${follower.problem})`}: it could come from here, and nothing is copied back. Give the engine the right to read that topic on the source`)
  }
}
