import type { Message } from '../schema/api.ts'
import type { Fields } from '../schema/field.ts'
import { parseVersionRange, type VersionText } from '../schema/version-range.ts'

/** One kind of record in the metadata log (`__cluster_metadata`), all versions. All of them are flexible. */
export interface RecordType<K extends string = string, F extends Fields = Fields> extends Message<F> {
  /** `apiKey` in Kafka's specifications; a space of its own, apart from that of requests. */
  readonly key: number
  /** What tells decoded records apart, such as `partition`. */
  readonly kind: K
}

/** Declares a kind of record: key, name and versions as in Kafka's specifications (metadata/src/main/resources/common/metadata). */
export function recordType<const K extends string, const F extends Fields> (declaration: {
  readonly key: number
  readonly kind: K
  readonly name: string
  readonly versions: VersionText
  readonly fields: F
}): RecordType<K, F> {
  return {
    key: declaration.key,
    kind: declaration.kind,
    name: declaration.name,
    versions: parseVersionRange(declaration.versions),
    flexible: parseVersionRange('0+'),
    fields: declaration.fields
  }
}

/**
 * The version of the frame around a record: `frame version | key | record version | record`, all but the record uvarints
 * (org.apache.kafka.server.common.serialization.AbstractApiMessageSerde).
 */
export const FRAME_VERSION = 1
