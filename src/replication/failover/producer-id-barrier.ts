/**
 * Keeps the shadow cluster from handing out producer ids that copied batches carry. Such a producer's first batches would be
 * taken for repetitions of copied ones, acknowledged, and dropped (facts/kafka-replica-mode.md §9).
 *
 * A broker hands out ids from a block of 1,000 that it got from the controller. Asking a broker for ids until one is above the
 * highest copied one uses its block up, and moves the controller's next block on; when that is so for every live broker, no
 * id that was copied can be handed out any more. Brokers that start later get later blocks. Where the controller can be asked,
 * its blocks are used up first, which leaves only what the brokers hold already.
 *
 * A producer that has its id keeps it, and may write to a topic after its failover for the first time. While topics are shadowed,
 * ids are therefore handed out far ahead of the copied ones: the source has to hand out as many before it comes to those.
 */
import { ErrorCodes, errorName } from '../../../protocol/errors/codes.ts'
import { describeProducers } from '../../client/admin/describe-producers.ts'
import { initProducerId } from '../../client/admin/init-producer-id.ts'
import type { Cluster } from '../../client/cluster.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import { isAborted } from '../../net/abort.ts'
import { sleep } from '../../net/sleep.ts'
import type { Logger } from '../../observability/logger.ts'

const IDS_PER_REQUEST = 1000
/** How far ahead ids are kept: where the controller's blocks can be skipped, a request for every 1,000; elsewhere one for every id. */
export const LEAD_BY_BLOCKS = 100_000
export const LEAD_BY_IDS = 5000

/**
 * How many of these leads a cluster keeps. Clusters that shadow each other would otherwise jump to the same ids, as far ahead of each
 * other as they are: each has a factor of its own, by its place among the cluster ids, which all of them sort alike.
 */
export function leadFactor (own: string | null, sources: ReadonlyArray<string | null>): number {
  if (own === null) return 1
  const before = new Set(sources.filter(id => id !== null && id < own))
  return 1 + 2 * before.size
}
const CHECK_INTERVAL_MS = 1000
/** How often it is looked whether a broker that has not answered yet is alive. */
const LOOK_INTERVAL_MS = 100
const LOG_INTERVAL_MS = 10_000

export interface BarrierOptions {
  readonly shadow: Cluster
  readonly logger: Logger
  readonly now: () => number
  /** Moves the controller's next block past an id, where that can be asked for; elsewhere it does nothing. */
  readonly skipBlocks?: (producerId: number, signal: AbortSignal) => Promise<void>
  /** How far ahead of the copied ids those are to be that are handed out; null while nothing is shadowed. */
  readonly lead: () => number | null
  /** The brokers that are alive, where the metadata log tells; null where it does not: the cluster's metadata is then asked for, of all its topics. */
  readonly liveBrokers?: () => readonly number[] | null
}

export class ProducerIdBarrier {
  readonly #options: BarrierOptions
  /** The highest id in any batch that was copied, as far as this engine knows; -1 for none. */
  #highestCopied = -1
  /** By broker: the last id that it handed out to us. */
  readonly #handedOut = new Map<number, number>()

  constructor (options: BarrierOptions) {
    this.#options = options
  }

  /** Takes note of the producer id of a copied batch. True when it is higher than all before. */
  note (producerId: number): boolean {
    if (producerId <= this.#highestCopied) return false
    this.#highestCopied = producerId
    return true
  }

  /** Keeps the brokers ahead while topics are shadowed, which leaves a failover little to do. Ends by the signal only. */
  async run (signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const lead = this.#options.lead()
        if (lead !== null) await this.#raise(this.#highestCopied + lead, signal)
        await sleep(CHECK_INTERVAL_MS, signal)
      } catch (error) {
        if (isAborted(signal)) return
        this.#options.logger.warn({ err: error }, `the shadow cluster's producer ids could not be moved on: ${messageOf(error)}`)
        await sleep(10 * CHECK_INTERVAL_MS, signal).catch(() => {})
      }
    }
  }

  /**
   * Makes sure that no live broker hands out an id that was noted.
   * @throws {KafkaError} when that is not certain
   */
  async ensureNoted (signal: AbortSignal): Promise<void> {
    if (this.#highestCopied < 0) return
    // Brokers may have joined, and what was handed out before says nothing about a broker that restarted with an old block.
    const { shadow, liveBrokers } = this.#options
    const live = liveBrokers?.() ?? null
    if (live === null || live.some(nodeId => shadow.lastView?.brokers.has(nodeId) !== true)) await shadow.refresh({ signal })
    this.#handedOut.clear()
    await this.#raise(this.#highestCopied, signal)
  }

  /** Learns the highest id that these partitions know; -1 for none. */
  async #highestKnownTo (partitions: ReadonlyArray<{ readonly topic: string, readonly partition: number }>, signal: AbortSignal): Promise<number> {
    let highest = -1
    for (const { topic, partition, errorCode, error, producers } of await describeProducers(this.#options.shadow, partitions, { signal })) {
      if (errorCode !== ErrorCodes.NONE) {
        throw new ShadowError('BROKER_ERROR', `the producers of ${topic}-${partition} cannot be read: ${error?.message ?? errorName(errorCode)}`, { retriable: true, cause: error })
      }
      for (const { producerId } of producers) highest = Math.max(highest, producerId)
    }
    return highest
  }

  /** Notes the ids that these partitions know: for the start of an engine. @throws {ShadowError} BROKER_ERROR (retriable) */
  async learn (partitions: ReadonlyArray<{ readonly topic: string, readonly partition: number }>, signal: AbortSignal): Promise<void> {
    this.note(await this.#highestKnownTo(partitions, signal))
  }

  /** Uses up ids on every live broker until each is above `producerId`. */
  async #raise (producerId: number, signal: AbortSignal): Promise<void> {
    if (producerId < 0) return
    const brokers = this.#options.liveBrokers?.() ?? [...(await this.#options.shadow.view({ signal })).brokers.keys()]
    if (brokers.length === 0) throw new ShadowError('CLUSTER_UNAVAILABLE', 'the shadow cluster shows no brokers', { retriable: true })
    if (brokers.some(nodeId => (this.#handedOut.get(nodeId) ?? -1) <= producerId)) await this.#options.skipBlocks?.(producerId, signal)
    await Promise.all(brokers.map(nodeId => this.#raiseLiving(nodeId, producerId, signal)))
  }

  /** Lets go of a broker that the metadata log shows as dead by now, whatever its connection says: that may say nothing for long. */
  async #raiseLiving (nodeId: number, producerId: number, signal: AbortSignal): Promise<void> {
    const death = new AbortController()
    const look = (): void => { if (this.#options.liveBrokers?.()?.includes(nodeId) === false) death.abort() }
    const timer = setInterval(look, LOOK_INTERVAL_MS)
    try {
      await this.#raiseBroker(nodeId, producerId, AbortSignal.any([signal, death.signal]))
    } catch (error) {
      look()
      if (isAborted(signal) || !death.signal.aborted) throw error
    } finally {
      clearInterval(timer)
    }
  }

  async #raiseBroker (nodeId: number, producerId: number, signal: AbortSignal): Promise<void> {
    const { shadow, logger, now } = this.#options
    let loggedAtMs = now()
    while ((this.#handedOut.get(nodeId) ?? -1) <= producerId) {
      const missing = producerId - (this.#handedOut.get(nodeId) ?? producerId)
      const ids = await initProducerId(shadow, nodeId, { count: Math.max(1, Math.min(IDS_PER_REQUEST, missing + 1)) }, { signal })
      const last = ids.at(-1)
      if (last === undefined) throw new ShadowError('INVARIANT', `broker ${nodeId} handed out no producer id`)
      this.#handedOut.set(nodeId, Math.max(...ids))
      if (now() - loggedAtMs > LOG_INTERVAL_MS) {
        loggedAtMs = now()
        logger.info({ nodeId, reached: last, goal: producerId }, `moving producer ids of shadow broker ${nodeId} past ${producerId}: at ${last}`)
      }
    }
  }
}
