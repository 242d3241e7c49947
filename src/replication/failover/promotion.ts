/**
 * The promotion of one topic: a switch-over while the source is alive, which loses nothing.
 *
 *   PROMOTING: copying ──▶ level twice, a second apart ──▶ frozen, drained ──▶ groups synced, the source has not grown ──▶ PROMOTED
 *                 ▲                                                │
 *                 └────────────── thaw ◀───────────────────────────┘ it has grown, or cannot be asked
 *
 * Level means: the shadow has all that the source says it has, now. The source's writers are the operator's to stop; which
 * partitions still grow is said. A source that does not answer is waited for: what was known before never counts.
 */
import { messageOf } from '../../errors.ts'
import { orAborted, throwIfAborted } from '../../net/abort.ts'
import { sleep } from '../../net/sleep.ts'
import type { TopicState } from '../../state/topic-state.ts'
import type { Opening } from '../append/append-mode.ts'
import type { ShadowTopic } from '../link/shadow-topic.ts'
import type { SourceEnds } from './source-ends.ts'

/** Between an answer of the source and the next question. */
const LOOK_INTERVAL_MS = 1000
const NAMED_PARTITIONS = 5

export interface PromotionOptions {
  readonly sourceEnds: SourceEnds
  /** Ends when the engine no longer leads, and when the promotion is to become a failover. */
  readonly signal: AbortSignal
  /** The rest of the way, once the topic is level. */
  readonly open: (opening: Opening) => Promise<void>
  /** What is to be done when the shadow has all records and is not open yet. Returns in words why that cannot be done at the moment; null when it is done. */
  readonly beforeOpening: (topic: ShadowTopic) => Promise<string | null>
  /** Called when the source has partitions that the shadow has not. */
  readonly wakeSync: () => void
}

/**
 * Goes on until the topic is no longer PROMOTING.
 * @throws {ShadowError} ABORTED
 */
export async function promote (topic: ShadowTopic, { sourceEnds, signal, open, beforeOpening, wakeSync }: PromotionOptions): Promise<void> {
  let before: readonly number[] | null = null
  while (isPromoting(topic)) {
    try {
      const ends = await sourceEnds.of(topic.record, { signal })
      if (ends.length !== topic.shadowEnds.length) wakeSync()
      topic.waitsFor = obstacleTo(topic, before, ends)
      before = ends
    } catch (error) {
      throwIfAborted(signal)
      topic.waitsFor = unanswered(error)
      before = null
    }
    if (topic.waitsFor === null && isPromoting(topic)) {
      await openLevel(topic, { sourceEnds, signal, open, beforeOpening })
      before = null
    }
    if (isPromoting(topic)) await sleep(LOOK_INTERVAL_MS, signal)
  }
}

/** What is held of the topic changes with every `await`. */
function isPromoting ({ record }: ShadowTopic): boolean {
  const state: TopicState = record.state
  return state === 'PROMOTING'
}

async function openLevel (topic: ShadowTopic, { sourceEnds, signal, open, beforeOpening }: Pick<PromotionOptions, 'sourceEnds' | 'signal' | 'open' | 'beforeOpening'>): Promise<void> {
  topic.freeze()
  await open({
    signal,
    // The state topic still says PROMOTING: nothing is open, and nothing is lost yet.
    mayOpen: async endOffsets => {
      const obstacle = await orAborted(beforeOpening(topic), signal)
      if (obstacle !== null) {
        topic.waitsFor = obstacle
        return false
      }
      try {
        const ends = await sourceEnds.of(topic.record, { signal })
        const grown = differing(ends, endOffsets)
        if (grown.length === 0) return true
        topic.waitsFor = `the source was written to at the last moment (${partitions(grown)}): copying goes on; stop its writers`
      } catch (error) {
        throwIfAborted(signal)
        topic.waitsFor = unanswered(error)
      }
      return false
    }
  })
}

function unanswered (error: unknown): string {
  return `whether the shadow has everything cannot be known while the source does not tell where its partitions end: ${messageOf(error)}`
}

/** Why a topic cannot be opened yet; null when it is level with its source, which has not grown since the look before. */
function obstacleTo (topic: ShadowTopic, before: readonly number[] | null, ends: readonly number[]): string | null {
  const { record, shadowEnds } = topic
  if (!record.created) return 'the shadow topic has not been created yet'
  if (ends.length !== record.partitions || ends.length !== shadowEnds.length) return `the source has ${ends.length} partitions and the shadow ${shadowEnds.length}: the topic sync has not followed yet`
  const growing = before === null ? [] : differing(ends, before)
  const behind = differing(ends, shadowEnds)
  const reasons = [
    ...(growing.length === 0 ? [] : [`the source is still written to, and its writers must be stopped: ${partitions(growing)}`]),
    ...(behind.length === 0 ? [] : [`the shadow does not have everything yet: ${partitions(behind)}`]),
    ...(before === null ? ['the source is asked a second time, whether it still grows'] : [])
  ]
  return reasons.length === 0 ? null : reasons.join('; ')
}

/** The partitions in which two lists differ. */
function differing (ends: readonly number[], others: ReadonlyArray<number | null>): number[] {
  return Array.from({ length: Math.max(ends.length, others.length) }, (_, partition) => partition).filter(partition => ends[partition] !== others[partition])
}

function partitions (numbers: readonly number[]): string {
  const more = numbers.length - NAMED_PARTITIONS
  return `partition${numbers.length === 1 ? '' : 's'} ${numbers.slice(0, NAMED_PARTITIONS).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
