import { DecodeError } from '../../../protocol/errors/protocol-errors.ts'
import type { MetadataRecord, MetadataRecordOf } from '../../../protocol/metadata/decode-record.ts'
import type { DeltaBuilder } from './metadata-delta.ts'
import type { BrokerEntry, MetadataImage, PartitionEntry, TopicEntry } from './metadata-image.ts'

interface GrowingTopic extends TopicEntry {
  readonly partitions: Map<number, PartitionEntry>
}

/** `ConfigResource.Type` in Kafka. */
const TOPIC_RESOURCE = 2
const BROKER_RESOURCE = 4

/** The name of the broker resource that stands for all brokers. */
const ALL_BROKERS = ''

/** PartitionChangeRecord: the leader stays, and its epoch with it. */
const NO_LEADER_CHANGE = -2
const NO_RECOVERY_CHANGE = -1

/** BrokerRegistrationChangeRecord. */
const FENCE = 1
const UNFENCE = -1
const IN_CONTROLLED_SHUTDOWN = 1

const NO_CONFIGS: ReadonlyMap<string, string> = new Map()

/**
 * The image that records are applied to, one after the other. Every rule is the one of Kafka's own replay
 * (org.apache.kafka.image.*Delta, org.apache.kafka.metadata.PartitionRegistration.merge).
 */
export class GrowingImage implements MetadataImage {
  readonly brokers = new Map<number, BrokerEntry>()
  readonly topics = new Map<string, GrowingTopic>()
  readonly topicsByName = new Map<string, GrowingTopic>()
  readonly features = new Map<string, number>()
  readonly #topicConfigs = new Map<string, Map<string, string>>()
  readonly #brokerConfigs = new Map<string, Map<string, string>>()
  nextProducerId = 0n

  partition (topicId: string, partition: number): PartitionEntry | null {
    return this.topics.get(topicId)?.partitions.get(partition) ?? null
  }

  topicConfig (name: string): ReadonlyMap<string, string> {
    return this.#topicConfigs.get(name) ?? NO_CONFIGS
  }

  brokerConfig (brokerId: number | null): ReadonlyMap<string, string> {
    return this.#brokerConfigs.get(brokerId === null ? ALL_BROKERS : String(brokerId)) ?? NO_CONFIGS
  }

  /**
   * Applies a committed record that is part of no transaction any more.
   * @throws {DecodeError} when the record does not fit what came before it: then the image is not what the log says
   */
  apply (change: MetadataRecord, delta: DeltaBuilder): void {
    switch (change.kind) {
      case 'registerBroker':
        this.#registerBroker(change.record, delta)
        break
      case 'unregisterBroker':
        this.#brokerOf(change.record.brokerId, change.record.brokerEpoch)
        this.brokers.delete(change.record.brokerId)
        delta.brokers.add(change.record.brokerId)
        break
      case 'brokerRegistrationChange':
        this.#changeBroker(change.record, delta)
        break
      case 'fenceBroker':
      case 'unfenceBroker': {
        const broker = this.#brokerOf(change.record.id, change.record.epoch)
        this.brokers.set(broker.id, { ...broker, fenced: change.kind === 'fenceBroker' })
        delta.brokers.add(broker.id)
        break
      }
      case 'topic': {
        const topic: GrowingTopic = { id: change.record.topicId, name: change.record.name, partitions: new Map() }
        this.topics.set(topic.id, topic)
        this.topicsByName.set(topic.name, topic)
        delta.createdTopics.add(topic.id)
        break
      }
      case 'removeTopic':
        this.#removeTopic(change.record.topicId, delta)
        break
      case 'partition':
        this.#setPartition(change.record, delta)
        break
      case 'partitionChange':
        this.#changePartition(change.record, delta)
        break
      case 'clearElr':
        this.#clearElr(change.record.topicName, delta)
        break
      case 'config':
        this.#config(change.record, delta)
        break
      case 'featureLevel':
        if (change.record.featureLevel === 0) this.features.delete(change.record.name)
        else this.features.set(change.record.name, change.record.featureLevel)
        delta.features = true
        break
      case 'producerIds':
        this.nextProducerId = change.record.nextProducerId
        break
      case 'beginTransaction':
      case 'endTransaction':
      case 'abortTransaction':
      case 'noOp':
        break
    }
  }

  #registerBroker (record: MetadataRecordOf<'registerBroker'>['record'], delta: DeltaBuilder): void {
    const { brokerId, brokerEpoch, incarnationId, endPoints, rack, fenced, inControlledShutdown, logDirs, cordonedLogDirs } = record
    this.brokers.set(brokerId, {
      id: brokerId,
      epoch: brokerEpoch,
      incarnationId,
      endpoints: new Map(endPoints.map(({ name, host, port, securityProtocol }) => [name, { host, port, securityProtocol }])),
      rack,
      fenced,
      inControlledShutdown,
      logDirs,
      cordonedLogDirs: cordonedLogDirs ?? []
    })
    delta.brokers.add(brokerId)
  }

  /** Everything that has its neutral value stays as it is. */
  #changeBroker ({ brokerId, brokerEpoch, fenced, inControlledShutdown, logDirs, cordonedLogDirs }: MetadataRecordOf<'brokerRegistrationChange'>['record'], delta: DeltaBuilder): void {
    const broker = this.#brokerOf(brokerId, brokerEpoch)
    if (fenced < UNFENCE || fenced > FENCE || inControlledShutdown < 0 || inControlledShutdown > IN_CONTROLLED_SHUTDOWN) {
      throw new DecodeError(`a change of broker ${brokerId} to fenced ${fenced}, in controlled shutdown ${inControlledShutdown}`)
    }
    this.brokers.set(brokerId, {
      ...broker,
      fenced: fenced === 0 ? broker.fenced : fenced === FENCE,
      inControlledShutdown: inControlledShutdown === IN_CONTROLLED_SHUTDOWN || broker.inControlledShutdown,
      logDirs: logDirs.length === 0 ? broker.logDirs : logDirs,
      cordonedLogDirs: cordonedLogDirs ?? broker.cordonedLogDirs
    })
    delta.brokers.add(brokerId)
  }

  #brokerOf (id: number, epoch: bigint): BrokerEntry {
    const broker = this.brokers.get(id)
    if (broker?.epoch !== epoch) throw new DecodeError(`a change of broker ${id} with epoch ${epoch}, which is ${broker === undefined ? 'not registered' : `registered with epoch ${broker.epoch}`}`)
    return broker
  }

  #topicOf (id: string): GrowingTopic {
    const topic = this.topics.get(id)
    if (topic === undefined) throw new DecodeError(`a change of topic ${id}, which is not there`)
    return topic
  }

  #removeTopic (id: string, delta: DeltaBuilder): void {
    const topic = this.#topicOf(id)
    this.topics.delete(id)
    if (this.topicsByName.get(topic.name) === topic) {
      this.topicsByName.delete(topic.name)
      if (this.#topicConfigs.delete(topic.name)) delta.topicConfigs.add(topic.name)
    }
    delta.topicRemoved(topic)
  }

  #setPartition (record: MetadataRecordOf<'partition'>['record'], delta: DeltaBuilder): void {
    const { topicId, partitionId, leader, leaderEpoch, partitionEpoch, replicas, isr, addingReplicas, removingReplicas, leaderRecoveryState } = record
    this.#topicOf(topicId).partitions.set(partitionId, {
      topicId,
      partition: partitionId,
      leader,
      leaderEpoch,
      partitionEpoch,
      replicas,
      isr,
      addingReplicas,
      removingReplicas,
      elr: record.eligibleLeaderReplicas ?? [],
      lastKnownElr: record.lastKnownElr ?? [],
      leaderRecoveryState
    })
    delta.partition(topicId, partitionId)
  }

  /** A leader that is named is a new leader, even if it is the same one: the epoch rises. The partition's epoch always does. */
  #changePartition (record: MetadataRecordOf<'partitionChange'>['record'], delta: DeltaBuilder): void {
    const { topicId, partitionId, leader, leaderRecoveryState } = record
    const { partitions } = this.#topicOf(topicId)
    const last = partitions.get(partitionId)
    if (last === undefined) throw new DecodeError(`a change of partition ${topicId}-${partitionId}, which is not there`)
    partitions.set(partitionId, {
      topicId,
      partition: partitionId,
      leader: leader === NO_LEADER_CHANGE ? last.leader : leader,
      leaderEpoch: leader === NO_LEADER_CHANGE ? last.leaderEpoch : last.leaderEpoch + 1,
      partitionEpoch: last.partitionEpoch + 1,
      replicas: record.replicas ?? last.replicas,
      isr: record.isr ?? last.isr,
      addingReplicas: record.addingReplicas ?? last.addingReplicas,
      removingReplicas: record.removingReplicas ?? last.removingReplicas,
      elr: record.eligibleLeaderReplicas ?? last.elr,
      lastKnownElr: record.lastKnownElr ?? last.lastKnownElr,
      leaderRecoveryState: leaderRecoveryState === NO_RECOVERY_CHANGE ? last.leaderRecoveryState : leaderRecoveryState
    })
    delta.partition(topicId, partitionId)
  }

  /** Of one topic, or of all if the name is empty. It is a change of the partitions that have any, and moves their epoch on. */
  #clearElr (topicName: string, delta: DeltaBuilder): void {
    const named = this.topicsByName.get(topicName)
    if (named === undefined && topicName !== '') throw new DecodeError(`the eligible leader replicas of topic ${topicName} are cleared, which is not there`)
    for (const topic of named === undefined ? this.topics.values() : [named]) {
      for (const last of topic.partitions.values()) {
        if (last.elr.length === 0 && last.lastKnownElr.length === 0) continue
        topic.partitions.set(last.partition, { ...last, partitionEpoch: last.partitionEpoch + 1, elr: [], lastKnownElr: [] })
        delta.partition(topic.id, last.partition)
      }
    }
  }

  #config ({ resourceType, resourceName, name, value }: MetadataRecordOf<'config'>['record'], delta: DeltaBuilder): void {
    if (resourceType === TOPIC_RESOURCE) {
      setConfig(this.#topicConfigs, resourceName, name, value)
      delta.topicConfigs.add(resourceName)
    } else if (resourceType === BROKER_RESOURCE) {
      setConfig(this.#brokerConfigs, resourceName, name, value)
      delta.brokerConfigs.add(resourceName === ALL_BROKERS ? null : Number(resourceName))
    }
  }
}

function setConfig (configs: Map<string, Map<string, string>>, resource: string, name: string, value: string | null): void {
  const known = configs.get(resource)
  if (value !== null) {
    if (known === undefined) configs.set(resource, new Map([[name, value]]))
    else known.set(name, value)
    return
  }
  known?.delete(name)
  if (known?.size === 0) configs.delete(resource)
}
