import type { TopicFault } from '../../../state/topic-state.ts'
import type { ShadowTopic } from '../../link/shadow-topic.ts'
import type { CopyOwner, PartitionCopy } from './partition-copy.ts'

/** What the copies of a topic's partitions wake, in this mode. */
export interface CopyWork {
  /** Something can be appended. */
  append (copy: PartitionCopy): void
  /** There is room to fetch again. */
  fetch (copy: PartitionCopy): void
  /** The position must be looked up again, after `attempt` failures in a row. */
  locate (copy: PartitionCopy, attempt: number): void
  onProducerId (producerId: number): void
  onCopied (bytes: number): void
}

/** A shadow topic whose partitions are copied by Produce requests. */
export class ProducedTopic implements CopyOwner {
  readonly copies: PartitionCopy[] = []
  readonly #topic: ShadowTopic
  readonly #work: CopyWork

  constructor (topic: ShadowTopic, work: CopyWork) {
    this.#topic = topic
    this.#work = work
  }

  get topic (): string {
    return this.#topic.topic
  }

  get sourceTopicId (): string | null {
    return this.#topic.record.sourceTopicId
  }

  get shadowTopicId (): string | null {
    return this.#topic.record.shadowTopicId
  }

  get now (): () => number {
    return this.#topic.now
  }

  onReady (copy: PartitionCopy): void {
    this.#work.append(copy)
  }

  onRoom (copy: PartitionCopy): void {
    this.#work.fetch(copy)
  }

  onLost (copy: PartitionCopy, attempt: number): void {
    this.#work.locate(copy, attempt)
  }

  onFault (_copy: PartitionCopy, fault: TopicFault): void {
    this.#topic.fault(fault)
  }

  onProducerId (producerId: number): void {
    this.#work.onProducerId(producerId)
  }

  onCopied (bytes: number): void {
    this.#work.onCopied(bytes)
  }
}
