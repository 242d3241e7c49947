import { test } from 'tap'
import { APIS } from '../../protocol/messages/registry.ts'
import type { Api } from '../../protocol/schema/api.ts'
import { includesVersion, type VersionRange } from '../../protocol/schema/version-range.ts'
import { versionsOf } from '../support/versions-of.ts'
import { compareAbsentFields, compareFields } from './compare-fields.ts'
import { kafkaLines } from './kafka-lines.ts'
import { readSpecifications, type Specification } from './specification.ts'

/** What the sidecar, the engine, the embedded broker and replica mode were asked to speak. */
const WANTED = [
  'ApiVersions', 'Metadata', 'Produce', 'Fetch', 'ListOffsets', 'OffsetForLeaderEpoch', 'FindCoordinator', 'JoinGroup', 'SyncGroup',
  'Heartbeat', 'LeaveGroup', 'OffsetCommit', 'OffsetFetch', 'OffsetDelete', 'ListGroups', 'DescribeGroups', 'DeleteGroups',
  'ConsumerGroupHeartbeat', 'ConsumerGroupDescribe', 'CreateTopics', 'DeleteTopics', 'CreatePartitions', 'DeleteRecords',
  'DescribeConfigs', 'AlterConfigs', 'IncrementalAlterConfigs', 'DescribeAcls', 'CreateAcls', 'DeleteAcls', 'InitProducerId',
  'AddPartitionsToTxn', 'AddOffsetsToTxn', 'EndTxn', 'TxnOffsetCommit', 'WriteTxnMarkers', 'DescribeProducers',
  'DescribeTransactions', 'ListTransactions', 'DescribeCluster', 'DescribeTopicPartitions', 'DescribeLogDirs', 'SaslHandshake', 'SaslAuthenticate',
  'DescribeClientQuotas', 'AlterClientQuotas', 'DescribeUserScramCredentials', 'AlterUserScramCredentials',
  'AlterPartitionReassignments', 'ListPartitionReassignments', 'ElectLeaders',
  'DescribeQuorum', 'FetchSnapshot', 'BrokerRegistration', 'BrokerHeartbeat', 'UnregisterBroker', 'AlterPartition', 'AllocateProducerIds'
]

const lines = kafkaLines().map(line => ({ name: line.name, specifications: readSpecifications(line) }))
const apis = [...APIS.values()]

/** The specification of a message in the newest line that has the version. */
function specificationOf (message: string, version: number): Specification | undefined {
  return lines.map(({ specifications }) => specifications.get(message)).find(found => found !== undefined && includesVersion(found.versions, version))
}

/** The versions of an API that a line speaks without being told to speak unfinished ones. */
function finishedVersions (line: (typeof lines)[number], api: Api): VersionRange | null {
  const request = line.specifications.get(api.request.name)
  if (request === undefined) return null
  return { min: request.versions.min, max: request.versions.max - (request.isLatestUnstable ? 1 : 0) }
}

test('all APIs that are wanted are declared, under their key', async t => {
  t.same(apis.map(({ name }) => name).sort(), [...WANTED].sort())
  for (const [key, api] of APIS) {
    for (const { name, specifications } of lines) {
      const request = specifications.get(api.request.name)
      if (request !== undefined) t.equal(key, request.apiKey, `${api.name} in Kafka ${name}`)
    }
  }
})

test('every version is declared that any line speaks', async t => {
  for (const line of lines) {
    for (const api of apis) {
      const wanted = finishedVersions(line, api)
      if (wanted === null) continue
      const missing = versionsOf(wanted).filter(version => !includesVersion(api.versions, version))
      t.same(missing, [], `${api.name} of Kafka ${line.name}`)
    }
  }
})

test('nothing is declared that no line knows', async t => {
  for (const api of apis) {
    for (const version of versionsOf(api.versions)) {
      t.ok(specificationOf(api.request.name, version) !== undefined && specificationOf(api.response.name, version) !== undefined, `${api.name} v${version}`)
    }
  }
})

test('every field of every message is as specified, at every version', async t => {
  for (const api of apis) {
    for (const message of [api.request, api.response]) {
      for (const version of versionsOf(message.versions)) {
        const specification = specificationOf(message.name, version)
        if (specification === undefined) continue
        const at = `${message.name} v${version}`
        t.equal(includesVersion(message.flexible, version), includesVersion(specification.flexible, version), `${at} flexible`)
        t.same(compareFields(message.fields, specification.fields, version, at), [], at)
      }
    }
  }
})

test('what a version cannot carry is dropped or refused as specified', async t => {
  for (const api of apis) {
    for (const message of [api.request, api.response]) {
      const specified = lines.map(({ specifications }) => specifications.get(message.name)).filter(found => found !== undefined)
      t.same(compareAbsentFields(message.fields, specified.map(({ fields }) => fields), message.versions, message.name), [], message.name)
    }
  }
})

// Not a failure: what clients and brokers say among themselves passes through undecoded.
test('what the newest line has beyond this', async t => {
  const newest = lines[0]
  if (newest === undefined) throw new Error('no line')
  const declared = new Set(apis.map(({ request }) => request.name))
  const others = [...newest.specifications.values()].filter(({ name, versions }) => name.endsWith('Request') && !declared.has(name) && versions.max >= versions.min)
  t.comment(`APIs of Kafka ${newest.name} that are not declared: ${others.map(({ name }) => name.replace(/Request$/, '')).sort().join(', ')}`)
  const unfinished = apis.filter(({ request }) => newest.specifications.get(request.name)?.isLatestUnstable === true)
  t.comment(`APIs whose newest version is unfinished in Kafka ${newest.name}: ${unfinished.map(({ name }) => name).join(', ')}`)
  t.ok(others.length > 0, 'a line has more than what is declared here')
})
