/**
 * What the shadow leader orders for partitions: who is in the ISR, and which brokers are to hold them. Orders of one turn go out
 * together. Whether an order was carried out is for the metadata log to say; each order is harmless to repeat.
 */
import { alterPartitionReassignments } from '../../../client/admin/alter-partition-reassignments.ts'
import type { PartitionRow } from '../../../client/admin/ask-leaders.ts'
import type { RowOutcome } from '../../../client/admin/error-row.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { Coalesced } from '../../../client/coalesced.ts'
import { BrokerError, ShadowError } from '../../../errors.ts'
import { alterPartition, type AlterPartitionOutcome, type PartitionAlteration } from '../../../kraft/commands/alter-partition.ts'
import type { Controllers } from '../../../kraft/controllers.ts'
import type { MetadataFollower } from '../../../kraft/metadata/metadata-follower.ts'
import type { MetadataImage, PartitionEntry } from '../../../kraft/metadata/metadata-image.ts'
import { onAbort, throwIfAborted, abortedError } from '../../../net/abort.ts'

/** Of partitions. The controller writes at most 10,000 records for one request, and answers nobody else meanwhile. */
const MOST_PER_REQUEST = 1000
const COMMAND_DEADLINE_MS = 5000

export interface PartitionControlOptions {
  readonly controllers: Controllers
  readonly metadata: Pick<MetadataFollower, 'image' | 'problem' | 'onChange'>
  readonly cluster: Cluster
  /** @throws {ShadowError} while the shadow leader is not registered */
  readonly broker: () => { readonly brokerId: number, readonly brokerEpoch: bigint }
  readonly signal: AbortSignal
}

export class PartitionControl {
  readonly #options: PartitionControlOptions
  readonly #isrs: Coalesced<PartitionAlteration, AlterPartitionOutcome>
  readonly #reassignments: Coalesced<PartitionRow & { readonly replicas: readonly number[] | null }, PartitionRow & RowOutcome>

  constructor (options: PartitionControlOptions) {
    const { controllers, cluster, broker, signal } = options
    this.#options = options
    this.#isrs = new Coalesced(alterations => alterPartition(controllers, broker(), alterations, { signal, deadlineMs: COMMAND_DEADLINE_MS }), { most: MOST_PER_REQUEST })
    this.#reassignments = new Coalesced(async rows => {
      // It goes out in nobody's name: nothing else would refuse it to an engine that was replaced.
      broker()
      return await alterPartitionReassignments(cluster, rows, { signal })
    }, { most: MOST_PER_REQUEST })
  }

  /** The metadata, once nobody doubts it. @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable) while it is not known */
  get image (): MetadataImage {
    const { image, problem } = this.#options.metadata
    if (image === null) throw new ShadowError('CLUSTER_UNAVAILABLE', `the shadow cluster's metadata is not known: ${problem ?? 'it has not been read yet'}`, { retriable: true })
    return image
  }

  /**
   * Asks for this ISR of a partition that the shadow leader leads, as `entry` has it. `told`: the broker epochs that members were known by when
   * they were found to be in sync; the controller refuses one that was started anew since (KIP-903). Of others it is the one that they have now.
   */
  async setIsr ({ topicId, partition, leaderEpoch, partitionEpoch }: PartitionEntry, isr: readonly number[], told: ReadonlyMap<number, bigint> = new Map()): Promise<AlterPartitionOutcome> {
    const { image } = this
    return await this.#isrs.request({
      topicId,
      partition,
      leaderEpoch,
      partitionEpoch,
      isr: isr.map(brokerId => ({ brokerId, brokerEpoch: told.get(brokerId) ?? image.brokers.get(brokerId)?.epoch ?? -1n }))
    })
  }

  /**
   * Begins to move a partition to these brokers; null: cancels the move that is under way, and takes out of the replicas what it added.
   * @throws {BrokerError} what the controller says against it
   */
  async reassign (topic: string, partition: number, replicas: readonly number[] | null): Promise<void> {
    const { errorCode, error } = await this.#reassignments.request({ topic, partition, replicas })
    if (errorCode !== 0) throw error ?? new BrokerError(errorCode, `AlterPartitionReassignments ${topic}-${partition}`)
  }

  /**
   * Waits until the metadata shows something; undefined stands for not yet.
   * @throws {ShadowError} ABORTED; CLUSTER_UNAVAILABLE (retriable) when it does not within the time
   */
  async until<T> (look: (image: MetadataImage) => T | undefined, { what, timeoutMs, signal = this.#options.signal }: { readonly what: string, readonly timeoutMs: number, readonly signal?: AbortSignal }): Promise<T> {
    throwIfAborted(signal)
    const { metadata } = this.#options
    return await new Promise<T>((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer)
        forget()
        stop()
        settle()
      }
      const tryNow = (): void => {
        const { image } = metadata
        const found = image === null ? undefined : look(image)
        if (found !== undefined) end(() => resolve(found))
      }
      const timer = setTimeout(() => end(() => reject(new ShadowError('CLUSTER_UNAVAILABLE', `the shadow cluster's metadata does not show ${what} after ${timeoutMs / 1000} s${metadata.problem === null ? '' : ` (${metadata.problem})`}`, { retriable: true }))), timeoutMs)
      const forget = metadata.onChange(tryNow)
      const stop = onAbort(signal, () => end(() => reject(abortedError(signal))))
      tryNow()
    })
  }
}
