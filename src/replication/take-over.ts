import type { Cluster } from '../client/cluster.ts'
import type { Logger } from '../observability/logger.ts'
import type { StateFollower } from '../state/state-follower.ts'
import { lostChanges } from '../state/state-loss.ts'
import { STATE_TOPIC } from '../state/state-topic.ts'
import { StateWriter } from '../state/state-writer.ts'

/** Records that go out as one batch when what was lost is written again. */
const RESTORED_AT_ONCE = 500

/** The engine that takes over, as others see it. */
export interface EngineSelf {
  /** Of this process. */
  readonly instance: string
  readonly adminAddress: string | null
  readonly wallClock: () => Date
}

/**
 * Writes the record of an engine's epoch: whatever was written before it counts, whatever an older engine writes after it does not.
 * What the state topic has lost is written before that, by whoever had read it (state-loss.ts).
 * @throws {ShadowError} ABORTED; {BrokerError} what the brokers say against the record
 */
export async function takeOver ({ instance, adminAddress, wallClock }: EngineSelf, { cluster, state, logger, signal, resign }: {
  readonly cluster: Cluster
  readonly state: StateFollower
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Ends the signal. */
  readonly resign: (reason: string) => void
}): Promise<{ readonly epoch: number, readonly writer: StateWriter }> {
  for (;;) {
    const known = await state.reached(0, signal)
    const { loss } = state
    const epoch = Math.max(known.engine?.epoch ?? 0, loss?.epoch ?? 0) + 1
    const restoredEpoch = Math.max(known.engine?.restoredEpoch ?? 0, loss?.epoch ?? 0)
    const writer = new StateWriter(cluster, { epoch, signal, resign })
    if (loss !== null) {
      const changes = lostChanges(loss, known)
      logger.warn({ records: changes.length, epoch: loss.epoch }, `topic ${STATE_TOPIC} has lost records (${loss.reason}): ${changes.length} are written again as this engine had read them`)
      for (let from = 0; from < changes.length; from += RESTORED_AT_ONCE) await writer.write(changes.slice(from, from + RESTORED_AT_ONCE))
    }
    const end = await writer.write([{ kind: 'engine', value: { epoch, instance, adminAddress, since: wallClock().toISOString(), restoredEpoch } }])
    const { engine } = await state.reached(end, signal)
    if (engine?.epoch === epoch && engine.instance === instance) return { epoch, writer }
    // Another engine's record was not read yet, and has the epoch: the next one is ours.
  }
}
