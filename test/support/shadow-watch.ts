/**
 * Looks at a shadow topic in append mode replica all the time while things are broken: who leads it, as the shadow's brokers say, and
 * whether any of them takes a record.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Produce } from '../../protocol/messages/produce.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { sleep } from '../../src/net/sleep.ts'
import { eventually, testCluster, type BrokerCluster } from './broker-link.ts'
import { compareSegments } from './compare-segments.ts'

const PAUSE_MS = 50
const ATTEMPT_TIMEOUT_MS = 1000
const COPY_TIMEOUT_MS = 30_000

export interface Leadership {
  readonly leaderId: number
  readonly leaderEpoch: number
}

export class ShadowWatch {
  /** What must never be: a record that was taken, or a real broker that leads or may be the next to lead. */
  readonly violations: string[] = []
  /** How many writes were refused. */
  refusals = 0
  /** Of partition 0, each when it was seen first. */
  readonly #history: Leadership[] = []
  readonly #abort = new AbortController()
  readonly #finished: Promise<unknown>

  constructor (shadow: BrokerCluster, topic: string, brokerIds: readonly number[]) {
    this.#finished = Promise.all([this.#watch(shadow, topic, brokerIds), ...brokerIds.map(brokerId => this.#attempt(shadow, topic, brokerId))])
  }

  /** What was seen from a point in the history on. */
  since (start: number): readonly Leadership[] {
    return this.#history.slice(start)
  }

  /** A point in the history; the one in force belongs to what comes after it. */
  get now (): number {
    return Math.max(0, this.#history.length - 1)
  }

  get latest (): Leadership | null {
    return this.#history.at(-1) ?? null
  }

  async stop (): Promise<void> {
    this.#abort.abort()
    await this.#finished
  }

  async #watch (shadow: BrokerCluster, topic: string, brokerIds: readonly number[]): Promise<void> {
    const { signal } = this.#abort
    const client = testCluster(shadow)
    while (!signal.aborted) {
      try {
        const { topics } = await client.refresh({ signal })
        for (const { partition, leaderId, leaderEpoch, isr } of topics.get(topic)?.partitions ?? []) {
          if (brokerIds.includes(leaderId) || isr.some(id => brokerIds.includes(id))) this.violations.push(`partition ${partition}: leader ${leaderId}, epoch ${leaderEpoch}, ISR ${isr.join()}`)
          const latest = this.#history.at(-1)
          // A broker may be behind another one.
          if (partition === 0 && (latest === undefined || leaderEpoch > latest.leaderEpoch || (leaderEpoch === latest.leaderEpoch && leaderId !== latest.leaderId))) this.#history.push({ leaderId, leaderEpoch })
        }
      } catch {
        // A broker that is down says nothing.
      }
      await sleep(PAUSE_MS, signal).catch(() => {})
    }
    await client.close()
  }

  /** Produces straight to a broker, whoever leads. */
  async #attempt (shadow: BrokerCluster, topic: string, brokerId: number): Promise<void> {
    const { signal } = this.#abort
    const client = testCluster(shadow)
    while (!signal.aborted) {
      try {
        const topicId = (await client.view({ signal })).topics.get(topic)?.topicId ?? ''
        const records = buildBatch({ records: [{ timestamp: Date.now(), value: Buffer.from('must never be taken') }], producerId: -1, producerEpoch: -1, baseSequence: -1 })
        const { body } = await client.request(Produce, { acks: 1, timeoutMs: ATTEMPT_TIMEOUT_MS, topicData: [{ name: topic, topicId, partitionData: [{ index: 0, records }] }] }, brokerId, { signal, timeoutMs: ATTEMPT_TIMEOUT_MS })
        const answer = body.responses[0]?.partitionResponses[0]
        if (answer?.errorCode === 0) this.violations.push(`broker ${brokerId} has taken a record at offset ${answer.baseOffset}`)
        else this.refusals++
      } catch {
        // So was nothing taken.
      }
      await sleep(PAUSE_MS, signal).catch(() => {})
    }
    await client.close()
  }
}

export interface CopiedTopic {
  readonly source: BrokerCluster
  readonly sourceBroker: number
  readonly shadow: BrokerCluster
  readonly topic: string
  readonly partitions: number
}

/** Waits until the logs of these followers have what the source's has now. Both never delete anything. */
export async function untilCopied ({ source, sourceBroker, shadow, topic, partitions }: CopiedTopic, brokerIds: readonly number[], timeoutMs = COPY_TIMEOUT_MS): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    const goal = logBytes(source.partitionDir(sourceBroker, topic, partition))
    for (const brokerId of brokerIds) await eventually(`broker ${brokerId} has what the source had of ${topic}-${partition}`, () => logBytes(shadow.partitionDir(brokerId, topic, partition)) >= goal, timeoutMs)
  }
}

/** How the files of these followers differ from the source's; waits for those that are behind. */
export async function differencesOf ({ source, sourceBroker, shadow, topic, partitions }: CopiedTopic, brokerIds: readonly number[]): Promise<string[]> {
  const differences: string[] = []
  for (let partition = 0; partition < partitions; partition++) {
    for (const brokerId of brokerIds) {
      const compare = (): string | null => compareSegments(source.partitionDir(sourceBroker, topic, partition), shadow.partitionDir(brokerId, topic, partition)).difference
      await eventually('the same', () => compare() === null, 10_000).catch(() => {})
      const difference = compare()
      if (difference !== null) differences.push(`${topic}-${partition} of broker ${brokerId}: ${difference}`)
    }
  }
  return differences
}

/** The bytes of a replica's segments. */
export function logBytes (folder: string): number {
  return readdirSync(folder).filter(file => file.endsWith('.log')).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)
}
