/**
 * Gives a partition to real brokers, in one record of the metadata log: the ISR grows by the brokers that it is being moved to,
 * which completes the move, and the first of them leads. It can be begun again at any point: every round looks at the metadata.
 *
 *   led by us, moving to others ──AlterPartition [us, targets]──▶ NEW_LEADER_ELECTED ──metadata shows it──▶ handed over
 *          ▲         │ refused: somebody died, or epochs are old     │
 *          └─────────┘ look again                                    │ changed, and not complete: one that is being added is dead
 *                                                                    ▼
 *                                         the move is replaced by one that adds nobody, and is complete
 *
 * A move cannot be completed, from Kafka 4.3 on, without everybody that it or an earlier one adds (`admitStandbys` has to do with the same).
 * Where no id is left for the broker that is nobody, we step aside, and the controller elects one of the targets; the shadow leader stays
 * in the replicas then, out of the ISR, until the dead one is back or is taken out by an operator.
 */
import { ShadowError } from '../../../errors.ts'
import type { PartitionEntry } from '../../../kraft/metadata/metadata-image.ts'
import { isHandedOver, isLedByReal, isMoving, sameBrokers, targetReplicas } from './partition-entry.ts'
import type { ShadowLeader } from './shadow-leader.ts'

const CONFIRM_MS = 3000
const MOVED_MS = 5000

/**
 * `targets`: the brokers that have all of it, the first of them to lead; `told`: the broker epochs under which they said so. Resolves with the entry of the partition once one of them
 * leads it, and nobody else can.
 * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) when it is not so yet: call again
 */
export async function handOver (leader: ShadowLeader, topicId: string, topic: string, partition: number, targets: readonly number[], told: ReadonlyMap<number, bigint> = new Map()): Promise<PartitionEntry> {
  const { control, shadowIds } = leader
  const entry = entryOf(leader, topicId, topic, partition)
  if (isHandedOver(entry, shadowIds) || isLedByReal(entry, shadowIds)) return entry
  const name = `${topic}-${partition}`
  if (entry.leader !== leader.brokerId) {
    if (shadowIds.has(entry.leader) || entry.leader < 0) throw retriable(`${name} is led by ${entry.leader < 0 ? 'nobody' : `broker ${entry.leader}`}: waiting until the shadow leader leads it`)
    // A real broker leads already, and takes the shadow leader out of the ISR by itself, as one that does not follow.
    const real = targetReplicas(entry).filter(id => !shadowIds.has(id))
    await control.reassign(topic, partition, real.length > 0 ? real : targets)
    return await confirmed(leader, topicId, topic, partition, MOVED_MS)
  }
  if (!sameBrokers(targetReplicas(entry), targets)) {
    await control.reassign(topic, partition, targets)
    await control.until(image => {
      const now = image.partition(topicId, partition)
      return now !== null && sameBrokers(targetReplicas(now), targets) ? now : undefined
    }, { what: `the move of ${name} to brokers ${targets.join(', ')}`, timeoutMs: MOVED_MS })
  }
  const moving = entryOf(leader, topicId, topic, partition)
  const outcome = await control.setIsr(moving, [moving.leader, ...targets], told)
  switch (outcome.kind) {
    case 'new-leader-elected': return await confirmed(leader, topicId, topic, partition, CONFIRM_MS)
    case 'altered':
      try {
        await addNobody(leader, moving, topic)
        await control.reassign(topic, partition, targets)
      } catch (error) {
        if (!(error instanceof ShadowError) || error.code !== 'CONFLICT') throw error
        await leader.stepAside(`real brokers are to lead what a dead one keeps from being moved: ${error.message}`)
      }
      return await confirmed(leader, topicId, topic, partition, CONFIRM_MS)
    case 'refused':
    case 'unknown': {
      // The metadata that was used may be old, or the one that a lost answer made.
      const now = await confirmed(leader, topicId, topic, partition, 200).catch(() => null)
      if (now !== null) return now
      throw retriable(`the handover of ${name}: ${outcome.error.message}`)
    }
  }
}

/**
 * Leaves a partition that real brokers lead to those of them that are in the ISR: a controller completes at once what leads there
 * (PartitionReassignmentReplicas). An engine that died while it handed the partition over may have left a move behind that never ends by
 * itself, because it adds somebody dead, or nobody. Without an id to be nobody that goes on.
 * @throws {BrokerError} what the controller says against it; {ShadowError} CLUSTER_UNAVAILABLE (retriable), ABORTED
 */
export async function leaveToIsr (leader: ShadowLeader, entry: PartitionEntry, topic: string): Promise<void> {
  const inIsr = entry.replicas.filter(id => entry.isr.includes(id))
  if (isMoving(entry)) {
    try {
      await addNobody(leader, entry, topic)
    } catch (error) {
      if (!(error instanceof ShadowError) || error.code !== 'CONFLICT') throw error
      return
    }
  }
  await leader.control.reassign(topic, entry.partition, inIsr)
}

/**
 * Ends a move, with all replicas as they are. A cancelled move takes what it added out of the replicas, and real brokers would throw their
 * copies away: another move, which adds a broker that is nobody, has to come before. Who is in the ISR stays in it.
 */
async function addNobody ({ control, shadowIds, spare }: ShadowLeader, { topicId, partition, replicas, addingReplicas, removingReplicas }: PartitionEntry, topic: string): Promise<void> {
  if (!addingReplicas.every(id => shadowIds.has(id))) {
    const nobody = await spare.notAmong(replicas)
    await control.reassign(topic, partition, [nobody, ...replicas.filter(id => !removingReplicas.includes(id))])
    await control.until(image => {
      const shown = image.partition(topicId, partition)
      return shown?.addingReplicas.length === 1 && shown.addingReplicas[0] === nobody ? true : undefined
    }, { what: `that nobody but broker ${nobody} is being added to ${topic}-${partition}`, timeoutMs: MOVED_MS })
  }
  await control.reassign(topic, partition, null)
}

function entryOf (leader: ShadowLeader, topicId: string, topic: string, partition: number): PartitionEntry {
  const entry = leader.control.image.partition(topicId, partition)
  if (entry === null) throw new ShadowError('CONFLICT', `the shadow cluster has no partition ${topic}-${partition} any more`)
  return entry
}

async function confirmed (leader: ShadowLeader, topicId: string, topic: string, partition: number, timeoutMs: number): Promise<PartitionEntry> {
  return await leader.control.until(image => {
    const entry = image.partition(topicId, partition)
    return entry !== null && (isHandedOver(entry, leader.shadowIds) || isLedByReal(entry, leader.shadowIds)) ? entry : undefined
  }, { what: `${topic}-${partition} with real brokers`, timeoutMs })
}

function retriable (message: string): ShadowError {
  return new ShadowError('CLUSTER_UNAVAILABLE', message, { retriable: true })
}
