import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import type { Cluster } from '../../../../client/cluster.ts'
import type { AppendMode, ShownTopics } from '../../../append/append-mode.ts'

/** The shadow cluster as one run of the sync sees it. */
export interface ShownShadow {
  readonly topic: ShownTopics
  readonly brokerCount: number
}

/**
 * Asks the shadow cluster for its brokers alone where its topics are known, and for everything where they are not: its answer is as large as the
 * cluster, and is asked for over and over again.
 * @throws {ShadowError} as Cluster.refresh
 */
export async function lookAtShadow (shadow: Cluster, mode: Pick<AppendMode, 'shownTopics'>, { signal }: { readonly signal: AbortSignal }): Promise<ShownShadow> {
  if (mode.shownTopics() !== null) {
    const { brokers } = await shadow.refreshBrokers({ signal })
    // That may have taken a while.
    const topic = mode.shownTopics()
    if (topic !== null) return { topic, brokerCount: brokers.size }
  }
  const { brokers, topics } = await shadow.refresh({ signal })
  return {
    topic: name => {
      const shown = topics.get(name)
      if (shown === undefined || shown.errorCode === ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION) return null
      return { topicId: shown.topicId, partitionCount: shown.partitions.length, errorCode: shown.errorCode }
    },
    brokerCount: brokers.size
  }
}
