import { test } from 'tap'
import { DecodeError, EncodeError, VersionError } from '../../../protocol/errors/protocol-errors.ts'
import { BrokerRegistrationChangeRecord } from '../../../protocol/metadata/broker-registration-change-record.ts'
import { decodeMetadataRecord, type MetadataRecordOf } from '../../../protocol/metadata/decode-record.ts'
import { encodeMetadataRecord } from '../../../protocol/metadata/encode-record.ts'
import { NoOpRecord } from '../../../protocol/metadata/no-op-record.ts'
import { PartitionChangeRecord } from '../../../protocol/metadata/partition-change-record.ts'
import { PartitionRecord } from '../../../protocol/metadata/partition-record.ts'
import { RegisterBrokerRecord } from '../../../protocol/metadata/register-broker-record.ts'
import { TopicRecord } from '../../../protocol/metadata/topic-record.ts'

const TOPIC_ID = 'AAECAwQFBgcICQoLDA0ODw'
const TOPIC_ID_HEX = '000102030405060708090a0b0c0d0e0f'

function hex (text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

test('a value is a frame version, a key, a version and the record', async t => {
  const topic = hex(`01 02 00 04 666f6f ${TOPIC_ID_HEX} 00`)
  t.strictSame(decodeMetadataRecord(topic), { kind: 'topic', version: 0, record: { name: 'foo', topicId: TOPIC_ID, unknownTags: [] } })
  t.same(encodeMetadataRecord(TopicRecord, 0, { name: 'foo', topicId: TOPIC_ID }), topic)
  t.same(encodeMetadataRecord(NoOpRecord, 0, {}), hex('01 14 00 00'))
  t.strictSame(decodeMetadataRecord(hex('01 14 00 00')), { kind: 'noOp', version: 0, record: { unknownTags: [] } })
})

test('what a change does not mention is null, and its leader is -2', async t => {
  const value = hex(`01 05 02 00000003 ${TOPIC_ID_HEX} 02 00 05 02 00000007 01 04 00000007`)
  const change: MetadataRecordOf<'partitionChange'> = {
    kind: 'partitionChange',
    version: 2,
    record: {
      partitionId: 3,
      topicId: TOPIC_ID,
      isr: [7],
      leader: 7,
      replicas: null,
      removingReplicas: null,
      addingReplicas: null,
      leaderRecoveryState: -1,
      directories: null,
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
      unknownTags: []
    }
  }
  t.strictSame(decodeMetadataRecord(value), change)
  t.same(encodeMetadataRecord(PartitionChangeRecord, 2, change.record), value)
  t.match(decodeMetadataRecord(encodeMetadataRecord(PartitionChangeRecord, 0, { topicId: TOPIC_ID })), { record: { partitionId: -1, isr: null, leader: -2 } })
})

test('the kind tells the type of the record', async t => {
  const replicas = { replicas: [1, 2], isr: [1], removingReplicas: [], addingReplicas: [] }
  const decoded = decodeMetadataRecord(encodeMetadataRecord(PartitionRecord, 2, { partitionId: 0, topicId: TOPIC_ID, ...replicas, leader: 1, leaderEpoch: 5, partitionEpoch: 6, directories: [TOPIC_ID, TOPIC_ID], eligibleLeaderReplicas: [2] }))
  if (decoded?.kind !== 'partition') throw new Error('not a partition')
  t.strictSame([decoded.record.leader, decoded.record.leaderEpoch, decoded.record.eligibleLeaderReplicas, decoded.record.lastKnownElr], [1, 5, [2], null])
})

test('a kind that is not declared is null, whatever its version and its bytes', async t => {
  // UserScramCredentialRecord, ZkMigrationStateRecord, and kinds that no Kafka has yet.
  for (const key of ['0b', '15', '1d', 'ac02', 'ffff01']) t.equal(decodeMetadataRecord(hex(`01 ${key} 07 ff ff`)), null, key)
})

test('a declared kind in a version that is not is a DecodeError, never a guess', async t => {
  t.throws(() => decodeMetadataRecord(hex(`01 02 01 04 666f6f ${TOPIC_ID_HEX} 00`)), { code: 'DECODE_FAILED', message: 'TopicRecord v1 is not known here: the newest version that is known is 0' })
  t.throws(() => decodeMetadataRecord(hex('01 05 03')), { code: 'DECODE_FAILED', message: /PartitionChangeRecord v3/ })
})

test('another frame, and keys and versions beyond a short, are DecodeErrors', async t => {
  t.throws(() => decodeMetadataRecord(hex('00 14 00 00')), { code: 'DECODE_FAILED', message: /frame of version 0/ })
  t.throws(() => decodeMetadataRecord(hex('02 14 00 00')), { code: 'DECODE_FAILED', message: /frame of version 2/ })
  t.throws(() => decodeMetadataRecord(hex('01 808002 00 00')), { code: 'DECODE_FAILED', message: /key 32768/ })
  t.throws(() => decodeMetadataRecord(hex('01 1d 808002')), { code: 'DECODE_FAILED', message: /version 32768/ })
})

test('a value that is cut anywhere, or goes on, is a DecodeError', async t => {
  const registration = encodeMetadataRecord(RegisterBrokerRecord, 4, {
    brokerId: 7,
    incarnationId: TOPIC_ID,
    brokerEpoch: 300n,
    endPoints: [{ name: 'PLAINTEXT', host: 'shadow', port: 9092, securityProtocol: 0 }],
    features: [{ name: 'metadata.version', minSupportedVersion: 1, maxSupportedVersion: 30 }],
    rack: null,
    logDirs: [TOPIC_ID],
    cordonedLogDirs: []
  })
  t.match(decodeMetadataRecord(registration), { kind: 'registerBroker', record: { brokerId: 7, fenced: true, endPoints: [{ host: 'shadow', port: 9092 }], logDirs: [TOPIC_ID], cordonedLogDirs: [] } })
  for (let length = 0; length < registration.length; length++) t.throws(() => decodeMetadataRecord(registration.subarray(0, length)), DecodeError, `cut at ${length}`)
  t.throws(() => decodeMetadataRecord(Buffer.concat([registration, Buffer.alloc(1)])), { code: 'DECODE_FAILED', message: /1 bytes are left over/ })
})

test('tagged fields that nobody knows are kept', async t => {
  const value = hex('01 11 03 00000007 000000000000012c 02 00 01 ff 0a 02 abcd')
  const decoded = decodeMetadataRecord(value)
  if (decoded?.kind !== 'brokerRegistrationChange') throw new Error('not a change')
  t.strictSame([decoded.record.fenced, decoded.record.unknownTags], [-1, [{ tag: 10, data: hex('abcd') }]])
  t.same(encodeMetadataRecord(BrokerRegistrationChangeRecord, decoded.version, decoded.record), value)
})

test('what a version cannot carry is refused, and a version that is not declared too', async t => {
  t.throws(() => encodeMetadataRecord(BrokerRegistrationChangeRecord, 2, { brokerId: 7, brokerEpoch: 1n, cordonedLogDirs: [] }), EncodeError)
  t.throws(() => encodeMetadataRecord(TopicRecord, 1, { name: 'foo', topicId: TOPIC_ID }), VersionError)
})
