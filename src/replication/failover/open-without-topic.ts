import type { Logger } from '../../observability/logger.ts'
import { openedState, type TopicFault } from '../../state/topic-state.ts'
import type { ShadowTopic } from '../link/shadow-topic.ts'
import { FailoverSteps } from './failover-steps.ts'

export interface WithoutTopicOptions {
  readonly logger: Logger
  readonly now: () => number
  /** Ends when the engine no longer leads, and for nothing else. */
  readonly leadership: AbortSignal
}

/**
 * Ends the opening of a topic whose shadow is gone, `reason` says how: there is nothing to open but its name. A promotion that has not come
 * to its handover is stopped by a fault.
 * @throws {ShadowError} ABORTED
 */
export async function openWithoutTopic (topic: ShadowTopic, reason: string, options: WithoutTopicOptions): Promise<void> {
  const { logger, leadership } = options
  const { link, state, handingOver } = topic.record
  const opened = openedState(state)
  const fault: TopicFault = { code: 'SHADOW_TOPIC_GONE', reason, partition: null, offset: null }
  if (opened === null || (state === 'PROMOTING' && !handingOver)) {
    topic.fault(fault)
    topic.problem = null
    return
  }
  logger.error({ link, topic: topic.topic, fault: fault.code }, `topic ${topic.topic} has no shadow any more that could be opened: ${reason}. Its name is opened, and nothing else`)
  topic.stop()
  await new FailoverSteps(topic, { ...options, signal: leadership }).run('record', () => topic.enter(opened, { handingOver: false, endOffsets: [], fault }))
}
