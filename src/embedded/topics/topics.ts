/** The topics of the broker and, with a data folder, what is kept of them between runs. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { apiError, type ApiError } from '../api-error.ts'
import { writeFileAtomic } from '../atomic-file.ts'
import { FileStorage } from '../log/file-segment.ts'
import { MemoryStorage } from '../log/memory-segment.ts'
import { PartitionLog } from '../log/partition-log.ts'
import type { SegmentStorage } from '../log/segment.ts'
import { topicConfig, type TopicConfig } from './topic-config.ts'
import { collisionKey, topicNameProblem } from './topic-name.ts'

export interface Topic {
  readonly name: string
  readonly topicId: string
  readonly partitions: readonly PartitionLog[]
  /** What was set on the topic itself. */
  readonly overrides: ReadonlyMap<string, string>
  readonly config: TopicConfig
}

interface MutableTopic extends Topic {
  partitions: PartitionLog[]
  overrides: ReadonlyMap<string, string>
  config: TopicConfig
  leaderEpoch: number
}

/** No topic has more: what a client asks for by mistake must not take all the memory. */
export const MAX_PARTITIONS = 10_000

const TOPICS_FILE = 'topics.json'
const LOGS_FOLDER = 'logs'

const savedTopics = z.array(z.object({
  name: z.string(),
  topicId: z.string(),
  partitions: z.int().min(1),
  leaderEpoch: z.int().min(0),
  overrides: z.record(z.string(), z.string())
}))

export class Topics {
  readonly #dataDir: string | null
  readonly #newId: () => string
  readonly #byName = new Map<string, MutableTopic>()
  readonly #byId = new Map<string, MutableTopic>()

  /** `dataDir` null: in memory. Otherwise opens what an earlier run left, one leader epoch later. */
  constructor (dataDir: string | null, newId: () => string) {
    this.#dataDir = dataDir
    this.#newId = newId
    if (dataDir === null) return
    mkdirSync(join(dataDir, LOGS_FOLDER), { recursive: true })
    for (const saved of readSaved(join(dataDir, TOPICS_FILE))) {
      this.#add({ ...saved, leaderEpoch: saved.leaderEpoch + 1, overrides: new Map(Object.entries(saved.overrides)) })
    }
    this.#removeStrayLogs(join(dataDir, LOGS_FOLDER))
    this.#save()
  }

  /** By name, as a listing shows them. */
  get all (): readonly Topic[] {
    return [...this.#byName.values()].sort((a, b) => a.name < b.name ? -1 : 1)
  }

  byName (name: string): Topic | null {
    return this.#byName.get(name) ?? null
  }

  byId (topicId: string): Topic | null {
    return this.#byId.get(topicId) ?? null
  }

  partition (name: string, partition: number): PartitionLog | null {
    return this.#byName.get(name)?.partitions[partition] ?? null
  }

  /** Null when a topic of this name could be created. */
  refusalToCreate (name: string): ApiError | null {
    const problem = topicNameProblem(name)
    if (problem !== null) return apiError(ErrorCodes.INVALID_TOPIC_EXCEPTION, problem)
    if (this.#byName.has(name)) return apiError(ErrorCodes.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)
    const key = collisionKey(name)
    const colliding = [...this.#byName.keys()].find(other => collisionKey(other) === key)
    if (colliding !== undefined) return apiError(ErrorCodes.INVALID_TOPIC_EXCEPTION, `Topic '${name}' collides with existing topic: ${colliding}`)
    return null
  }

  /** Creates a topic that `refusalToCreate` has nothing against. */
  create (name: string, partitions: number, overrides: ReadonlyMap<string, string>): Topic {
    const topic = this.#add({ name, topicId: this.#newId(), partitions, leaderEpoch: 0, overrides })
    this.#save()
    return topic
  }

  delete (name: string): void {
    const topic = this.#byName.get(name)
    if (topic === undefined) return
    this.#byName.delete(name)
    this.#byId.delete(topic.topicId)
    this.#save()
    for (const partition of topic.partitions) partition.remove()
  }

  addPartitions (name: string, count: number): void {
    const topic = this.#byName.get(name)
    if (topic === undefined) return
    const added = Array.from({ length: count - topic.partitions.length }, (_, index) => this.#open(topic, topic.partitions.length + index))
    topic.partitions = [...topic.partitions, ...added]
    this.#save()
  }

  setOverrides (name: string, overrides: ReadonlyMap<string, string>): void {
    const topic = this.#byName.get(name)
    if (topic === undefined) return
    topic.overrides = overrides
    topic.config = topicConfig(overrides)
    this.#save()
  }

  /** As if leadership had gone away and come back: the leader epoch is one more. */
  bumpLeaderEpoch (name: string): void {
    const topic = this.#byName.get(name)
    if (topic === undefined) return
    topic.leaderEpoch++
    for (const partition of topic.partitions) partition.startEpoch(topic.leaderEpoch)
    this.#save()
  }

  /** Removes what is older or larger than the topics want to keep. `now` in milliseconds since 1970. */
  enforceRetention (now: number): void {
    for (const { config, partitions } of this.#byName.values()) {
      if (!config.isDeleted) continue
      for (const partition of partitions) partition.enforceRetention({ olderThan: now - config.retentionMs, maxBytes: config.retentionBytes })
    }
  }

  close (): void {
    for (const { partitions } of this.#byName.values()) for (const partition of partitions) partition.close()
    this.#byName.clear()
    this.#byId.clear()
  }

  #add (saved: { readonly name: string, readonly topicId: string, readonly partitions: number, readonly leaderEpoch: number, readonly overrides: ReadonlyMap<string, string> }): Topic {
    const { name, topicId, leaderEpoch, overrides } = saved
    const topic: MutableTopic = { name, topicId, leaderEpoch, overrides, config: topicConfig(overrides), partitions: [] }
    topic.partitions = Array.from({ length: saved.partitions }, (_, partition) => this.#open(topic, partition))
    this.#byName.set(name, topic)
    this.#byId.set(topicId, topic)
    return topic
  }

  #open (topic: MutableTopic, partition: number): PartitionLog {
    return new PartitionLog(this.#storage(topic, partition), topic.leaderEpoch)
  }

  #storage (topic: MutableTopic, partition: number): SegmentStorage {
    if (this.#dataDir === null) return new MemoryStorage()
    return new FileStorage(join(this.#dataDir, LOGS_FOLDER, logFolder(topic.name, partition)), () => topic.config.segmentBytes)
  }

  /** What is left of topics whose deletion was interrupted must not be found by topics of the same name. */
  #removeStrayLogs (folder: string): void {
    const known = new Set([...this.#byName.values()].flatMap(({ name, partitions }) => partitions.map((_, partition) => logFolder(name, partition))))
    for (const entry of readdirSync(folder)) if (!known.has(entry)) rmSync(join(folder, entry), { recursive: true, force: true })
  }

  #save (): void {
    if (this.#dataDir === null) return
    const topics = [...this.#byName.values()].map(({ name, topicId, partitions, leaderEpoch, overrides }) =>
      ({ name, topicId, partitions: partitions.length, leaderEpoch, overrides: Object.fromEntries(overrides) }))
    writeFileAtomic(join(this.#dataDir, TOPICS_FILE), JSON.stringify(topics, null, 2))
  }
}

function logFolder (name: string, partition: number): string {
  return `${name}-${partition}`
}

function readSaved (path: string): z.infer<typeof savedTopics> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // A new data folder.
    return []
  }
  return savedTopics.parse(JSON.parse(text))
}
