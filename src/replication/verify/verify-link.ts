import type { Cluster } from '../../client/cluster.ts'
import type { ShadowTopic } from '../link/shadow-topic.ts'
import type { VerifyTopicReport } from '../link-service.ts'
import { verifyPartition } from './verify-partition.ts'

const CONCURRENT_PARTITIONS = 4

export interface VerifyLinkOptions {
  readonly source: Cluster
  readonly shadow: Cluster
  /** The brokers whose replicas of a partition are compared; null for what its leader shows. */
  readonly replicasOf: (topic: ShadowTopic, partition: number) => readonly number[] | null
  readonly signal: AbortSignal
}

/** Compares partitions a few at a time; one report for each replica that is read, as it is done. */
export async function * verifyLink (topics: readonly ShadowTopic[], { source, shadow, replicasOf, signal }: VerifyLinkOptions): AsyncGenerator<VerifyTopicReport> {
  const waiting = topics.flatMap(topic => Array.from({ length: Math.max(1, topic.record.partitions) }, (_, partition) => partition)
    .flatMap(partition => (replicasOf(topic, partition) ?? [null]).map(brokerId => ({ record: topic.record, partition, brokerId }))))
  const running = new Map<number, Promise<{ readonly key: number, readonly report: VerifyTopicReport }>>()
  for (let key = 0; waiting.length > 0 || running.size > 0;) {
    for (let next = waiting[0]; next !== undefined && running.size < CONCURRENT_PARTITIONS; next = waiting[0]) {
      waiting.shift()
      const { record, partition, brokerId } = next
      const own = key++
      const obstacle = obstacleTo(record)
      const report = obstacle !== null
        ? Promise.resolve<VerifyTopicReport>({ topic: record.topic, partition, replica: brokerId, fromOffset: 0, toOffset: 0, batches: 0, bytes: 0, difference: null, incomplete: obstacle })
        : verifyPartition({
          source: { cluster: source, topicId: record.sourceTopicId, brokerId: null },
          shadow: { cluster: shadow, topicId: record.shadowTopicId, brokerId },
          topic: record.topic,
          partition,
          startOffset: record.startOffsets?.[partition] ?? 0,
          endOffset: record.endOffsets?.[partition] ?? null,
          signal
        }).then(done => withFault(done, record.fault))
      running.set(own, report.then(done => ({ key: own, report: done })))
    }
    const done = await Promise.race(running.values())
    running.delete(done.key)
    yield done.report
  }
}

/** Why a topic cannot be compared at all; null when it can. */
function obstacleTo ({ owned, created, fault }: ShadowTopic['record']): string | null {
  if (!owned) return `not a shadow: ${fault?.reason ?? 'the topic is not owned by the link'}`
  if (!created) return 'the shadow topic has not been created yet'
  return null
}

/** What is the same up to where a topic was stopped is still not a whole copy. */
function withFault (report: VerifyTopicReport, fault: ShadowTopic['record']['fault']): VerifyTopicReport {
  if (fault === null) return report
  return { ...report, incomplete: `${report.incomplete === null ? '' : `${report.incomplete}; `}the topic was stopped${fault.partition === report.partition && fault.offset !== null ? ` at offset ${fault.offset}` : ''}: ${fault.reason}` }
}
