import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { InitProducerId } from '../../../protocol/messages/init-producer-id.ts'
import { BrokerError, ShadowError } from '../../errors.ts'
import { backoffMs } from '../../net/backoff.ts'
import { sleep } from '../../net/sleep.ts'
import type { Cluster } from '../cluster.ts'

/** A broker answers them one after the other: more would only wait there. */
const MAX_IN_FLIGHT = 64

/**
 * A broker gets its ids from the controller in blocks of 1000, and answers COORDINATOR_LOAD_IN_PROGRESS while it has none: after
 * its start, and whenever it is asked faster than blocks come (RPCProducerIdManager).
 */
const BLOCK_TIMEOUT_MS = 30_000
const BLOCK_RETRY = { baseMs: 20, maxMs: 500 }

/** What the Java client sends for a producer without transactions. */
const NO_TIMEOUT_MS = 2 ** 31 - 1

/**
 * `count` fresh producer ids from one broker, without a transactional id. Ids that were handed out before an error are lost,
 * which does no harm: nobody uses them.
 * Waits, for a time, for a broker that has none at the moment.
 * @throws {BrokerError} the first that a broker answered with; nothing more is asked for after it
 */
export async function initProducerId (cluster: Cluster, nodeId: number, { count }: { readonly count: number }, { signal }: { readonly signal: AbortSignal }): Promise<number[]> {
  const ids: number[] = []
  let left = count
  const work = async (): Promise<void> => {
    while (left > 0) {
      left--
      try {
        ids.push(await askForOne(cluster, nodeId, signal))
      } catch (error) {
        left = 0
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, MAX_IN_FLIGHT) }, work))
  if (new Set(ids).size !== ids.length) throw new ShadowError('INVARIANT', `broker ${nodeId} handed out a producer id twice`)
  return ids
}

async function askForOne (cluster: Cluster, nodeId: number, signal: AbortSignal): Promise<number> {
  const endMs = performance.now() + BLOCK_TIMEOUT_MS
  for (let attempt = 0; ; attempt++) {
    const { body } = await cluster.request(InitProducerId, { transactionalId: null, transactionTimeoutMs: NO_TIMEOUT_MS }, nodeId, { signal, purpose: 'slow' })
    if (body.errorCode === ErrorCodes.NONE) {
      if (body.producerId < 0n) throw new ShadowError('BROKER_ERROR', `broker ${nodeId} answered InitProducerId with id ${body.producerId}`)
      return Number(body.producerId)
    }
    const error = new BrokerError(body.errorCode, `InitProducerId on broker ${nodeId}`)
    if (body.errorCode !== ErrorCodes.COORDINATOR_LOAD_IN_PROGRESS || performance.now() > endMs) throw error
    await sleep(backoffMs(attempt, BLOCK_RETRY), signal)
  }
}
