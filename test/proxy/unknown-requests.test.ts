import { test } from 'tap'
import { Reader } from '../../protocol/buffer/reader.ts'
import { Writer } from '../../protocol/buffer/writer.ts'
import { hasFlexibleRequestHeader } from '../../protocol/header.ts'
import { APIS } from '../../protocol/messages/registry.ts'
import type { Api } from '../../protocol/schema/api.ts'
import { messageCodec } from '../../protocol/schema/codec.ts'
import type { FieldSpec, Fields } from '../../protocol/schema/field.ts'
import { includesVersion } from '../../protocol/schema/version-range.ts'
import { Random } from '../support/random.ts'
import { randomMessage } from '../support/random-message.ts'
import type { RawClient } from '../support/raw-client.ts'
import { emptyAnswer, start, until, type Fixture } from './fixture.ts'

/** The APIs that must not reach a broker when every topic in them is read-only. */
const MUTATING = new Map([
  [0, 'Produce'], [19, 'CreateTopics'], [20, 'DeleteTopics'], [21, 'DeleteRecords'], [24, 'AddPartitionsToTxn'], [27, 'WriteTxnMarkers'],
  [33, 'AlterConfigs'], [37, 'CreatePartitions'], [43, 'ElectLeaders'], [44, 'IncrementalAlterConfigs'], [45, 'AlterPartitionReassignments']
])

/** Points every topic of a message at the read-only one, and makes lists that would name none name one. */
function aim (fields: Fields, value: Record<string, unknown>, version: number, random: Random): void {
  for (const [name, field] of Object.entries(fields)) {
    if (!includesVersion(field.versions, version)) continue
    if (name === 'resourceType') value[name] = 2
    else if (name === 'resourceName' || (field.entity === 'topicName' && field.type === 'string')) value[name] = 'ro'
    else if (name === 'electionType') value[name] = 1
    else if (field.type === 'array') value[name] = aimedArray(field, value[name], version, random)
  }
}

function aimedArray (field: FieldSpec & { readonly type: 'array' }, value: unknown, version: number, random: Random): unknown {
  const { element } = field
  if (typeof element === 'string') return field.entity === 'topicName' ? ['ro'] : value
  const rows: unknown[] = Array.isArray(value) && value.length > 0 ? value : [randomMessage({ name: 'row', versions: { min: 0, max: 99 }, flexible: { min: 1, max: 0 }, fields: element }, version, random)]
  for (const row of rows) if (isRecord(row)) aim(element, row, version, random)
  return rows
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function frame (apiKey: number, version: number, flexible: boolean, write: (writer: Writer) => void): Buffer {
  const writer = new Writer()
  writer.int32(0)
  writer.int16(apiKey)
  writer.int16(version)
  writer.int32(7)
  writer.nullableString('fuzz')
  if (flexible) writer.tags([], [])
  write(writer)
  const bytes = Buffer.concat(writer.finish())
  bytes.writeInt32BE(bytes.length - 4, 0)
  return bytes
}

function declared (api: Api, version: number, random: Random): Buffer {
  const body = randomMessage(api.request, version, random)
  aim(api.request.fields, body, version, random)
  return frame(api.key, version, hasFlexibleRequestHeader(api, version), writer => {
    messageCodec(api.request, version).write(writer, body)
  })
}

/** Sends one request, and waits until something has come of it. */
async function outcome ({ client, broker }: Fixture, request: Buffer): Promise<'answered' | 'closed' | 'forwarded'> {
  const socket: RawClient = await client()
  const before = broker.requests.length
  socket.send(request)
  await until(() => socket.isClosed || socket.frames.length > 0 || broker.requests.length > before)
  socket.close()
  if (broker.requests.length > before) return 'forwarded'
  return socket.frames.length > 0 ? 'answered' : 'closed'
}

test('whatever API and version it is: nothing that changes a read-only topic reaches the broker', async t => {
  const fixture = await start(t)
  const random = new Random(11)
  const { broker } = fixture
  broker.answer = emptyAnswer
  let forwarded = 0
  for (const api of APIS.values()) {
    for (let version = api.versions.min; version <= api.versions.max; version++) {
      const result = await outcome(fixture, declared(api, version, random))
      if (MUTATING.has(api.key)) t.equal(result === 'forwarded' && !(api.name === 'ElectLeaders' && version === 0), false, `${api.name} v${version}: ${result}`)
      else if (result === 'forwarded') forwarded++
    }
    // The next version, whatever it will be.
    t.equal(await outcome(fixture, frame(api.key, api.versions.max + 1, true, writer => { writer.raw(random.bytes(40)) })), api.name === 'ApiVersions' ? 'answered' : 'closed', `${api.name} v${api.versions.max + 1}`)
    t.equal(await outcome(fixture, frame(api.key, -1, false, () => {})), api.name === 'ApiVersions' ? 'answered' : 'closed')
  }
  t.ok(forwarded > 100, 'the harmless ones go through')
  for (const { apiKey, frame: bytes } of broker.requests) {
    if (!MUTATING.has(apiKey)) continue
    const reader = new Reader(bytes)
    t.strictSame([reader.int16(), reader.int16()], [43, 0], 'a preferred election')
  }
})

test('an API that nobody here knows, or that only brokers speak, is refused by closing', async t => {
  const fixture = await start(t)
  const { sidecar, broker } = fixture
  const offered = new Set([38, 39, 40, 41, 71, 72, 74, 75])
  // AlterPartition, FetchSnapshot, BrokerRegistration, BrokerHeartbeat, UnregisterBroker and AllocateProducerIds are declared for the engine.
  const forBrokers = new Set([56, 59, 62, 63, 64, 67])
  for (const apiKey of [-1, ...Array.from({ length: 100 }, (_, key) => key), 10_000, 32_767]) {
    if ((APIS.has(apiKey) && !forBrokers.has(apiKey)) || offered.has(apiKey)) continue
    for (const version of [0, 3]) t.equal(await outcome(fixture, frame(apiKey, version, false, () => {})), 'closed', `key ${apiKey} v${version}`)
  }
  // It tells where the controllers listen.
  t.equal(await outcome(fixture, frame(55, 2, true, () => {})), 'closed')
  t.equal(broker.requests.length, 0)
  broker.answer = emptyAnswer
  t.equal(await outcome(fixture, frame(71, 0, true, writer => { writer.raw(Buffer.alloc(17)) })), 'forwarded')
  t.ok((sidecar.status().counters.disconnects.api_refused) > 90)
})
