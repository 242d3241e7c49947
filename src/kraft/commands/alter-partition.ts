import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { AlterPartition } from '../../../protocol/messages/alter-partition.ts'
import type { RequestInput, ResponseOf } from '../../../protocol/schema/api.ts'
import { BrokerError, ShadowError } from '../../errors.ts'
import { throwIfAborted } from '../../net/abort.ts'
import type { Controllers } from '../controllers.ts'

export interface IsrMember {
  readonly brokerId: number
  /** -1: whatever its epoch is. */
  readonly brokerEpoch: bigint
}

/** What a leader wants of one of its partitions. Both epochs are those of the metadata log, exactly. */
export interface PartitionAlteration {
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly isr: readonly IsrMember[]
  /** 0 RECOVERED, 1 RECOVERING. Default 0. */
  readonly leaderRecoveryState?: number
}

export type AlterPartitionOutcome =
  | {
    readonly kind: 'altered'
    readonly leaderId: number
    readonly leaderEpoch: number
    readonly isr: readonly number[]
    readonly leaderRecoveryState: number
    readonly partitionEpoch: number
  }
  /** The change was made, a reassignment is complete with it, and another replica leads now (NEW_LEADER_ELECTED). The answer says no more: metadata has to confirm it. */
  | { readonly kind: 'new-leader-elected' }
  /** Nothing was changed by this attempt. After one whose answer was lost it may be that one that made the epochs old: metadata says what is in force. */
  | { readonly kind: 'refused', readonly error: BrokerError }
  /** It may or may not have been changed: metadata says. */
  | { readonly kind: 'unknown', readonly error: ShadowError }

/** The controller writes at most 10,000 records for one request. Smaller ones keep other commands from waiting. */
const MAX_PARTITIONS_PER_REQUEST = 1000

/** Topics by their ids. */
const MIN_VERSION = 2

/** The broker epochs of the members. */
const MEMBER_EPOCHS_VERSION = 3

/**
 * Sets the ISR of partitions that the broker leads (KIP-497), as a leader does. The outcomes are in the order of the alterations,
 * one for each, whatever happens to the others. Epochs make a repetition harmless.
 * @throws {ShadowError} ABORTED: what was sent may have been carried out
 */
export async function alterPartition (controllers: Controllers, broker: { readonly brokerId: number, readonly brokerEpoch: bigint }, alterations: readonly PartitionAlteration[], options: { readonly signal: AbortSignal, readonly deadlineMs?: number }): Promise<AlterPartitionOutcome[]> {
  const outcomes: AlterPartitionOutcome[] = []
  for (let at = 0; at < alterations.length; at += MAX_PARTITIONS_PER_REQUEST) {
    outcomes.push(...await ask(controllers, broker, alterations.slice(at, at + MAX_PARTITIONS_PER_REQUEST), options))
  }
  return outcomes
}

async function ask (controllers: Controllers, broker: { readonly brokerId: number, readonly brokerEpoch: bigint }, alterations: readonly PartitionAlteration[], options: { readonly signal: AbortSignal, readonly deadlineMs?: number }): Promise<AlterPartitionOutcome[]> {
  try {
    const { body } = await controllers.request(AlterPartition, version => ({ ...broker, topics: topicsOf(alterations, version) }), { ...options, purpose: 'command', idempotent: true, minVersion: MIN_VERSION })
    return outcomesOf(body, alterations)
  } catch (error) {
    throwIfAborted(options.signal)
    if (!(error instanceof ShadowError)) throw error
    return alterations.map(() => ({ kind: 'unknown', error }))
  }
}

function topicsOf (alterations: readonly PartitionAlteration[], version: number): RequestInput<typeof AlterPartition>['topics'] {
  const topics = new Map<string, PartitionAlteration[]>()
  for (const alteration of alterations) {
    const rows = topics.get(alteration.topicId)
    if (rows === undefined) topics.set(alteration.topicId, [alteration])
    else rows.push(alteration)
  }
  return [...topics].map(([topicId, rows]) => ({
    topicId,
    partitions: rows.map(({ partition, leaderEpoch, partitionEpoch, isr, leaderRecoveryState = 0 }) => ({
      partitionIndex: partition,
      leaderEpoch,
      partitionEpoch,
      leaderRecoveryState,
      ...(version >= MEMBER_EPOCHS_VERSION ? { newIsrWithEpochs: isr } : { newIsr: isr.map(({ brokerId }) => brokerId) })
    }))
  }))
}

type PartitionAnswer = ResponseOf<typeof AlterPartition>['topics'][number]['partitions'][number]

function outcomesOf (body: ResponseOf<typeof AlterPartition>, alterations: readonly PartitionAlteration[]): AlterPartitionOutcome[] {
  if (body.errorCode !== ErrorCodes.NONE) {
    const error = new BrokerError(body.errorCode, 'AlterPartition')
    return alterations.map(() => ({ kind: 'refused', error }))
  }
  const answers = new Map<string, PartitionAnswer>()
  for (const { topicId, partitions } of body.topics) for (const answer of partitions) answers.set(`${topicId}/${answer.partitionIndex}`, answer)
  return alterations.map(({ topicId, partition }) => outcomeOf(answers.get(`${topicId}/${partition}`), `${topicId}-${partition}`))
}

function outcomeOf (answer: PartitionAnswer | undefined, name: string): AlterPartitionOutcome {
  if (answer === undefined) return { kind: 'unknown', error: new ShadowError('BROKER_ERROR', `the answer to AlterPartition says nothing of ${name}`) }
  const { errorCode, leaderId, leaderEpoch, isr, leaderRecoveryState, partitionEpoch } = answer
  if (errorCode === ErrorCodes.NEW_LEADER_ELECTED) return { kind: 'new-leader-elected' }
  if (errorCode !== ErrorCodes.NONE) return { kind: 'refused', error: new BrokerError(errorCode, `AlterPartition ${name}`) }
  return { kind: 'altered', leaderId, leaderEpoch, isr, leaderRecoveryState, partitionEpoch }
}
