/** Compares the records of the metadata log with Kafka's specifications of them, and with its own classes, in every line. */
import tap, { test } from 'tap'
import { z } from 'zod'
import { decodeMetadataRecord, RECORD_TYPES } from '../../protocol/metadata/decode-record.ts'
import { encodeMetadataRecord } from '../../protocol/metadata/encode-record.ts'
import { includesVersion } from '../../protocol/schema/version-range.ts'
import { randomMessage } from '../support/random-message.ts'
import { Random } from '../support/random.ts'
import { versionsOf } from '../support/versions-of.ts'
import { checkConversion, checkMessage, gather } from './check-message.ts'
import { compareAbsentFields, compareFields } from './compare-fields.ts'
import { kafkaLines } from './kafka-lines.ts'
import { Oracle } from './oracle.ts'
import { readRecordSpecifications } from './specification.ts'

/** What a follower of brokers, topics, partitions, configs, features and producer ids needs. */
const WANTED = [
  'RegisterBrokerRecord', 'UnregisterBrokerRecord', 'FenceBrokerRecord', 'UnfenceBrokerRecord', 'BrokerRegistrationChangeRecord',
  'TopicRecord', 'RemoveTopicRecord', 'PartitionRecord', 'PartitionChangeRecord', 'ClearElrRecord', 'ConfigRecord', 'FeatureLevelRecord',
  'ProducerIdsRecord', 'NoOpRecord', 'BeginTransactionRecord', 'EndTransactionRecord', 'AbortTransactionRecord'
]

/** What is left aside: passwords, quotas, tokens, ACLs, controllers, and the way from ZooKeeper. A kind that a newer line adds must be looked at. */
const UNWANTED = [
  'DelegationTokenRecord', 'RemoveDelegationTokenRecord', 'UserScramCredentialRecord', 'RemoveUserScramCredentialRecord', 'ClientQuotaRecord',
  'AccessControlEntryRecord', 'RemoveAccessControlEntryRecord', 'ZkMigrationStateRecord', 'RegisterControllerRecord'
]

/** Random values of each record at each version. */
const ROUNDS = 8

const lines = kafkaLines().map(line => ({ name: line.name, specifications: readRecordSpecifications(line), oracle: new Oracle(line) }))

/** Every kind of record that a line has, in every version of it that the line has. */
const rows = lines.flatMap(line => RECORD_TYPES.flatMap(type => {
  const specification = line.specifications.get(type.name)
  return specification === undefined ? [] : [{ line, type, specification }]
}))

tap.setTimeout(180_000)
tap.teardown(async () => { await Promise.all(lines.map(({ oracle }) => oracle.stop())) })

test('all records that are wanted are declared, under their key, and no line has one that nobody has looked at', async t => {
  t.same(RECORD_TYPES.map(({ name }) => name).sort(), [...WANTED].sort())
  t.equal(new Set(RECORD_TYPES.map(({ key }) => key)).size, RECORD_TYPES.length)
  for (const { line, type, specification } of rows) t.equal(type.key, specification.apiKey, `${type.name} of Kafka ${line.name}`)
  const looked = new Set([...WANTED, ...UNWANTED])
  for (const { name, specifications } of lines) t.same([...specifications.keys()].filter(record => !looked.has(record)), [], `Kafka ${name}`)
})

test('every version is declared that any line writes, and none that no line knows', async t => {
  for (const type of RECORD_TYPES) {
    const specified = rows.filter(row => row.type === type).flatMap(({ specification }) => versionsOf(specification.versions))
    t.same([...new Set(specified)].sort(), versionsOf(type.versions), type.name)
    for (const { specification } of rows.filter(row => row.type === type)) t.equal(specification.isLatestUnstable, false, `${type.name} is finished`)
  }
})

test('every field of every record is as each line specifies it, at every version', async t => {
  for (const { line, type, specification } of rows) {
    for (const version of versionsOf(specification.versions)) {
      const at = `${type.name} v${version} of Kafka ${line.name}`
      t.equal(includesVersion(type.flexible, version), includesVersion(specification.flexible, version), `${at} flexible`)
      t.same(compareFields(type.fields, specification.fields, version, at), [], at)
    }
  }
})

test('what a version cannot carry is dropped or refused as specified', async t => {
  for (const type of RECORD_TYPES) {
    const specified = rows.filter(row => row.type === type).map(({ specification }) => specification.fields)
    t.same(compareAbsentFields(type.fields, specified, type.versions, type.name), [], type.name)
  }
})

test('every record at every version: the same bytes as Java in every line, both directions, unknown tags kept', async t => {
  const problems = await gather(rows.flatMap(({ line, type, specification }) => versionsOf(specification.versions).flatMap(version => {
    const random = new Random(type.key * 100 + version)
    return Array.from({ length: ROUNDS }, (_, round) => checkMessage(line.oracle, type, version, randomMessage(type, version, random, { unknownTags: round % 2 === 1, sparse: round % 4 > 1 })))
  })))
  t.same(problems.slice(0, 20), [], `${problems.length} differences`)
})

test('a record of one version as another is refused where Java refuses it, and the same bytes where not', async t => {
  const counts = { refused: 0, carried: 0 }
  const problems = await gather(rows.flatMap(({ line, type, specification }) => {
    const versions = versionsOf(specification.versions)
    const random = new Random(type.key)
    return versions.flatMap(from => versions.map(to => checkConversion(line.oracle, type, from, to, randomMessage(type, from, random, { sparse: true }), counts)))
  }))
  t.same(problems.slice(0, 20), [], `${problems.length} differences`)
  t.ok(counts.refused > 20 && counts.carried > 80, `${counts.refused} refused, ${counts.carried} carried`)
})

test('whole values: Kafka\'s serde reads what is written here and writes the same bytes, which are read here as they were', async t => {
  const answer = z.strictObject({ name: z.string(), version: z.number() })
  for (const { line, type, specification } of rows) {
    for (const version of versionsOf(specification.versions)) {
      const record = randomMessage(type, version, new Random(type.key + version), { unknownTags: true })
      const value = encodeMetadataRecord(type, version, record)
      const [told, rewritten] = await line.oracle.ask('record', value)
      if (told === undefined || rewritten === undefined) throw new Error('an answer without its parts')
      const at = `${type.name} v${version} of Kafka ${line.name}`
      t.same(answer.parse(JSON.parse(told.toString())), { name: type.name, version }, at)
      t.same(rewritten, value, `${at}: the same bytes`)
      t.strictSame(decodeMetadataRecord(rewritten), { kind: type.kind, version, record }, `${at}: the same record`)
    }
  }
})
