import { Writer } from '../buffer/writer.ts'
import { messageCodec } from '../schema/codec.ts'
import type { Fields, InputOf } from '../schema/field.ts'
import { FRAME_VERSION, type RecordType } from './record-type.ts'

/**
 * The value of a record of the metadata log.
 * @throws {VersionError} for a version that is not declared.
 * @throws {EncodeError} for what the version cannot carry.
 */
export function encodeMetadataRecord<F extends Fields> (type: RecordType<string, F>, version: number, record: InputOf<F>): Buffer {
  const codec = messageCodec(type, version)
  const writer = new Writer()
  writer.uvarint(FRAME_VERSION)
  writer.uvarint(type.key)
  writer.uvarint(version)
  codec.write(writer, record)
  return Buffer.concat(writer.finish())
}
