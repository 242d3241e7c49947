/** The records of the metadata log, as far as brokers, topics, partitions, configs, features and producer ids need them. */
import { Reader } from '../buffer/reader.ts'
import { messageCodec } from '../schema/codec.ts'
import type { Fields, ValueOf } from '../schema/field.ts'
import { includesVersion } from '../schema/version-range.ts'
import { AbortTransactionRecord } from './abort-transaction-record.ts'
import { BeginTransactionRecord } from './begin-transaction-record.ts'
import { BrokerRegistrationChangeRecord } from './broker-registration-change-record.ts'
import { ClearElrRecord } from './clear-elr-record.ts'
import { ConfigRecord } from './config-record.ts'
import { EndTransactionRecord } from './end-transaction-record.ts'
import { FeatureLevelRecord } from './feature-level-record.ts'
import { FenceBrokerRecord } from './fence-broker-record.ts'
import { NoOpRecord } from './no-op-record.ts'
import { PartitionChangeRecord } from './partition-change-record.ts'
import { PartitionRecord } from './partition-record.ts'
import { ProducerIdsRecord } from './producer-ids-record.ts'
import { FRAME_VERSION, type RecordType } from './record-type.ts'
import { RegisterBrokerRecord } from './register-broker-record.ts'
import { RemoveTopicRecord } from './remove-topic-record.ts'
import { TopicRecord } from './topic-record.ts'
import { UnfenceBrokerRecord } from './unfence-broker-record.ts'
import { UnregisterBrokerRecord } from './unregister-broker-record.ts'

/** Keys and versions are shorts in Kafka. */
const MAX_SHORT = 0x7fff

const DECODERS = [
  decoderOf(RegisterBrokerRecord),
  decoderOf(UnregisterBrokerRecord),
  decoderOf(TopicRecord),
  decoderOf(PartitionRecord),
  decoderOf(ConfigRecord),
  decoderOf(PartitionChangeRecord),
  decoderOf(FenceBrokerRecord),
  decoderOf(UnfenceBrokerRecord),
  decoderOf(RemoveTopicRecord),
  decoderOf(FeatureLevelRecord),
  decoderOf(ProducerIdsRecord),
  decoderOf(BrokerRegistrationChangeRecord),
  decoderOf(NoOpRecord),
  decoderOf(BeginTransactionRecord),
  decoderOf(EndTransactionRecord),
  decoderOf(AbortTransactionRecord),
  decoderOf(ClearElrRecord)
] as const

const DECODERS_BY_KEY = new Map(DECODERS.map(decoder => [decoder.type.key, decoder]))

/** Every kind of record that is declared. */
export const RECORD_TYPES: readonly RecordType[] = DECODERS.map(({ type }) => type)

/** A decoded record: `kind` tells which, `record` holds its fields. Those that the version lacks have their default. */
export type MetadataRecord = ReturnType<(typeof DECODERS)[number]['decode']>

/** The record of one kind, such as `MetadataRecordOf<'partition'>`. */
export type MetadataRecordOf<K extends MetadataRecord['kind']> = Extract<MetadataRecord, { readonly kind: K }>

/**
 * Reads the value of a record of the metadata log or of a snapshot of it, control records aside. Null for a kind that is not
 * declared here: what it is about is not followed.
 * @throws {DecodeError} for a kind that is declared in a version that is not, and for bytes that are no such record.
 */
export function decodeMetadataRecord (value: Buffer): MetadataRecord | null {
  const reader = new Reader(value)
  const frameVersion = reader.uvarint()
  if (frameVersion !== FRAME_VERSION) reader.fail(`a metadata record in a frame of version ${frameVersion}`)
  const key = reader.uvarint()
  const version = reader.uvarint()
  if (key > MAX_SHORT || version > MAX_SHORT) reader.fail(`a metadata record with key ${key} and version ${version}`)
  const decoder = DECODERS_BY_KEY.get(key)
  if (decoder === undefined) return null
  if (!includesVersion(decoder.type.versions, version)) reader.fail(`${decoder.type.name} v${version} is not known here: the newest version that is known is ${decoder.type.versions.max}`)
  const record = decoder.decode(reader, version)
  reader.finish()
  return record
}

function decoderOf<const K extends string, F extends Fields> (type: RecordType<K, F>): {
  readonly type: RecordType<K, F>
  readonly decode: (reader: Reader, version: number) => { readonly kind: K, readonly version: number, readonly record: ValueOf<F> }
} {
  return { type, decode: (reader, version) => ({ kind: type.kind, version, record: messageCodec(type, version).read(reader) }) }
}
