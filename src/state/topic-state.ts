/** The states of a shadow topic, and what follows from each. */

/**
 *   ACTIVE ⇄ PAUSED ──▶ PROMOTING ──▶ PROMOTED
 *     │        │        │       │
 *     │        │        │       │ the source died meanwhile
 *     ▼        ▼        ▼       ▼
 *     FAULTED (a fault) ──▶ FAILING_OVER ──▶ FAILED_OVER
 *
 * ACTIVE leads to PROMOTING and FAILING_OVER too, as PAUSED does. Only FAILED_OVER and PROMOTED are writable, and nothing leads
 * back from them.
 */
export const TOPIC_STATES = ['ACTIVE', 'PAUSED', 'FAULTED', 'FAILING_OVER', 'FAILED_OVER', 'PROMOTING', 'PROMOTED'] as const

export type TopicState = typeof TOPIC_STATES[number]

/** True when clients may write to a topic in this state. */
export function isWritable (state: TopicState): boolean {
  return state === 'FAILED_OVER' || state === 'PROMOTED'
}

/** True for a topic that was taken out of its link by an operator: the link knows it, so that it does not take it in again. */
export function isTakenOut ({ owned, state }: { readonly owned: boolean, readonly state: TopicState }): boolean {
  return !owned && isWritable(state)
}

/** True while a topic follows its source: its records, its partitions, its configs. */
export function followsSource (state: TopicState): boolean {
  return state === 'ACTIVE' || state === 'PROMOTING'
}

/** The state that the opening of a topic ends in; null for a topic that is not being opened. */
export function openedState (state: TopicState): TopicState | null {
  if (state === 'FAILING_OVER') return 'FAILED_OVER'
  return state === 'PROMOTING' ? 'PROMOTED' : null
}

/** Why a topic was stopped. Each stands for one thing that cannot be copied exactly, or that must not have happened. */
export const FAULT_CODES = [
  /** A topic of this name exists on the shadow cluster and was not made by the link. */
  'NAME_TAKEN',
  /** On the source it is, or was, a shadow of our own cluster. */
  'LOOP',
  'CONTROL_BATCH',
  'TRANSACTIONAL_BATCH',
  'LOG_APPEND_TIME',
  'OLD_MESSAGE_FORMAT',
  /** Offsets are missing between batches or inside one, as compaction leaves it. */
  'OFFSET_GAP',
  'LOG_START_ABOVE_ZERO',
  /** A batch whose CRC does not match, twice. */
  'SOURCE_CORRUPT',
  /** The source deleted records before they were copied. */
  'SOURCE_OVERTOOK',
  /** The source no longer has records that the shadow has. */
  'SOURCE_LOST_RECORDS',
  /** Source and shadow hold different records at the same offset. */
  'DIVERGED',
  'SOURCE_TOPIC_RECREATED',
  'SOURCE_PARTITIONS_DECREASED',
  /** Somebody else wrote to the shadow topic. */
  'FOREIGN_WRITE',
  /** In append mode replica: a real broker leads a shadow partition. */
  'LEADERSHIP_LOST',
  /** In append mode replica: a config that could make a real broker lead was changed, and cannot be set back. */
  'SETTING_CHANGED',
  'SHADOW_TOPIC_GONE',
  /** In append mode produce: a failover found less on the shadow than that had confirmed. */
  'SHADOW_LOST_RECORDS',
  /** The shadow cluster refuses a batch for good. */
  'APPEND_REFUSED',
  'CREATE_REFUSED'
] as const

export type FaultCode = typeof FAULT_CODES[number]

export interface TopicFault {
  readonly code: FaultCode
  /** In words: what was found, and what was expected. */
  readonly reason: string
  readonly partition: number | null
  /** The first offset that was not copied. */
  readonly offset: number | null
}
