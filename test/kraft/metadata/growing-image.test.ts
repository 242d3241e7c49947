import { test } from 'tap'
import { BrokerRegistrationChangeRecord } from '../../../protocol/metadata/broker-registration-change-record.ts'
import { ClearElrRecord } from '../../../protocol/metadata/clear-elr-record.ts'
import { ConfigRecord } from '../../../protocol/metadata/config-record.ts'
import { decodeMetadataRecord } from '../../../protocol/metadata/decode-record.ts'
import { FeatureLevelRecord } from '../../../protocol/metadata/feature-level-record.ts'
import { PartitionRecord } from '../../../protocol/metadata/partition-record.ts'
import { RegisterBrokerRecord } from '../../../protocol/metadata/register-broker-record.ts'
import { RemoveTopicRecord } from '../../../protocol/metadata/remove-topic-record.ts'
import { TopicRecord } from '../../../protocol/metadata/topic-record.ts'
import { UnregisterBrokerRecord } from '../../../protocol/metadata/unregister-broker-record.ts'
import { GrowingImage } from '../../../src/kraft/metadata/growing-image.ts'
import { DeltaBuilder } from '../../../src/kraft/metadata/metadata-delta.ts'
import { value } from '../scripted-quorum.ts'

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAw'
const DIR = 'AAAAAAAAAAAAAAAAAAAACA'

function apply (image: GrowingImage, ...values: readonly Buffer[]): DeltaBuilder {
  const delta = new DeltaBuilder()
  for (const one of values) {
    const record = decodeMetadataRecord(one)
    if (record !== null) image.apply(record, delta)
  }
  return delta
}

const registration = value(RegisterBrokerRecord, {
  brokerId: 3, incarnationId: TOPIC_ID, brokerEpoch: 12n, endPoints: [{ name: 'INTERNAL', host: 'h', port: 9, securityProtocol: 3 }], features: [], rack: 'r', logDirs: [DIR]
})

test('a broker is what it registered as, and then what changed', async t => {
  const image = new GrowingImage()
  t.same(apply(image, registration).brokers, new Set([3]))
  t.match(image.brokers.get(3), { id: 3, epoch: 12n, incarnationId: TOPIC_ID, rack: 'r', fenced: true, inControlledShutdown: false, logDirs: [DIR], cordonedLogDirs: [] })
  t.same(image.brokers.get(3)?.endpoints.get('INTERNAL'), { host: 'h', port: 9, securityProtocol: 3 })
  const change = { brokerId: 3, brokerEpoch: 12n }
  apply(image, value(BrokerRegistrationChangeRecord, { ...change, fenced: -1 }))
  t.equal(image.brokers.get(3)?.fenced, false)
  apply(image, value(BrokerRegistrationChangeRecord, { ...change, inControlledShutdown: 1, cordonedLogDirs: [DIR] }))
  t.match(image.brokers.get(3), { fenced: false, inControlledShutdown: true, logDirs: [DIR], cordonedLogDirs: [DIR] })
  apply(image, value(BrokerRegistrationChangeRecord, { ...change, fenced: 1 }))
  t.match(image.brokers.get(3), { fenced: true, cordonedLogDirs: [DIR] })
  apply(image, value(BrokerRegistrationChangeRecord, { ...change, cordonedLogDirs: [] }))
  t.same(image.brokers.get(3)?.cordonedLogDirs, [])
  t.throws(() => apply(image, value(BrokerRegistrationChangeRecord, { ...change, brokerEpoch: 11n })), { code: 'DECODE_FAILED', message: /registered with epoch 12/ })
  t.throws(() => apply(image, value(BrokerRegistrationChangeRecord, { ...change, fenced: 2 })), { code: 'DECODE_FAILED' })
  apply(image, value(UnregisterBrokerRecord, change))
  t.equal(image.brokers.size, 0)
})

test('clearing eligible leader replicas changes the partitions that have any, and their epochs', async t => {
  const image = new GrowingImage()
  const partition = { topicId: TOPIC_ID, replicas: [1], isr: [1], removingReplicas: [], addingReplicas: [], leader: 1, leaderEpoch: 0, partitionEpoch: 5 }
  apply(image, value(TopicRecord, { name: 'a', topicId: TOPIC_ID }), value(PartitionRecord, { ...partition, partitionId: 0 }), value(PartitionRecord, { ...partition, partitionId: 1, eligibleLeaderReplicas: [2], lastKnownElr: [3] }))
  t.match(image.partition(TOPIC_ID, 1), { elr: [2], lastKnownElr: [3] })
  t.same(apply(image, value(ClearElrRecord, { topicName: '' })).partitions, new Map([[TOPIC_ID, new Set([1])]]))
  t.match(image.partition(TOPIC_ID, 1), { elr: [], lastKnownElr: [], partitionEpoch: 6 })
  t.equal(image.partition(TOPIC_ID, 0)?.partitionEpoch, 5)
  t.throws(() => apply(image, value(ClearElrRecord, { topicName: 'b' })), { code: 'DECODE_FAILED' })
})

test('configs are those of topics, brokers and all brokers; null takes one away', async t => {
  const image = new GrowingImage()
  const config = (resourceType: number, resourceName: string, text: string | null): Buffer => value(ConfigRecord, { resourceType, resourceName, name: 'k', value: text })
  const delta = apply(image, config(2, 'a', '1'), config(4, '7', '2'), config(4, '', '3'), config(16, 'x', '4'))
  t.same({ topics: delta.topicConfigs, brokers: delta.brokerConfigs }, { topics: new Set(['a']), brokers: new Set([7, null]) })
  t.same([image.topicConfig('a').get('k'), image.brokerConfig(7).get('k'), image.brokerConfig(null).get('k')], ['1', '2', '3'])
  apply(image, config(2, 'a', null))
  t.equal(image.topicConfig('a').size, 0)
})

test('a topic that comes and goes with one answer leaves no trace', async t => {
  const image = new GrowingImage()
  const delta = apply(image, value(TopicRecord, { name: 'a', topicId: TOPIC_ID }), value(RemoveTopicRecord, { topicId: TOPIC_ID }))
  t.ok(delta.isEmpty)
  t.equal(image.topicsByName.size, 0)
})

test('a feature of level 0 is none', async t => {
  const image = new GrowingImage()
  apply(image, value(FeatureLevelRecord, { name: 'metadata.version', featureLevel: 25 }), value(FeatureLevelRecord, { name: 'x', featureLevel: 1 }))
  t.ok(apply(image, value(FeatureLevelRecord, { name: 'x', featureLevel: 0 })).features)
  t.same([...image.features], [['metadata.version', 25]])
})
