/** The shadow partitions that this engine leads, as followers name them. */
import type { ShadowPartition } from './shadow-partition.ts'

interface ShadowTopic {
  readonly topicId: string
  readonly name: string
  readonly partitions: Map<number, ShadowPartition>
}

export class ShadowPartitions {
  readonly #byName = new Map<string, ShadowTopic>()
  readonly #byId = new Map<string, ShadowTopic>()

  /** Replaces an earlier one of the same topic and number. */
  add (partition: ShadowPartition): void {
    const known = this.#byName.get(partition.topic)
    const topic = known?.topicId === partition.topicId ? known : { topicId: partition.topicId, name: partition.topic, partitions: new Map<number, ShadowPartition>() }
    // A topic that was created anew has another id.
    if (known !== undefined && known !== topic) this.#byId.delete(known.topicId)
    this.#byName.set(topic.name, topic)
    this.#byId.set(topic.topicId, topic)
    topic.partitions.set(partition.partition, partition)
  }

  remove (partition: ShadowPartition): void {
    const topic = this.#byId.get(partition.topicId)
    if (topic?.partitions.get(partition.partition) !== partition) return
    topic.partitions.delete(partition.partition)
    if (topic.partitions.size > 0) return
    this.#byId.delete(topic.topicId)
    if (this.#byName.get(topic.name) === topic) this.#byName.delete(topic.name)
  }

  byName (topic: string, partition: number): ShadowPartition | null {
    return this.#byName.get(topic)?.partitions.get(partition) ?? null
  }

  byId (topicId: string, partition: number): ShadowPartition | null {
    return this.#byId.get(topicId)?.partitions.get(partition) ?? null
  }

  knows (topic: string): boolean {
    return this.#byName.has(topic)
  }

  nameOf (topicId: string): string | null {
    return this.#byId.get(topicId)?.name ?? null
  }
}
