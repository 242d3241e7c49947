/** An embedded broker with a connection of our own to it, for one test. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { buildBatch, type BatchInput } from '../../protocol/records/build-batch.ts'
import type { Api, RequestInput, ResponseOf } from '../../protocol/schema/api.ts'
import { EmbeddedBroker, type EmbeddedBrokerOptions } from '../../src/embedded/embedded-broker.ts'
import { Connection } from '../../src/net/connection.ts'

const TIMEOUT_MS = 10_000

type ProducedRow = ResponseOf<typeof Produce>['responses'][number]['partitionResponses'][number]
type FetchedRow = ResponseOf<typeof Fetch>['responses'][number]['partitions'][number]

export class Peer {
  readonly broker: EmbeddedBroker
  readonly connection: Connection

  constructor (broker: EmbeddedBroker, connection: Connection) {
    this.broker = broker
    this.connection = connection
  }

  async ask<A extends Api> (api: A, body: RequestInput<A>, version?: number): Promise<ResponseOf<A>> {
    const { body: response } = await this.connection.request(api, body, { timeoutMs: TIMEOUT_MS, ...(version === undefined ? {} : { minVersion: version, maxVersion: version }) })
    return response
  }

  async createTopic (name: string, { partitions = 1, configs = {} }: { readonly partitions?: number, readonly configs?: Readonly<Record<string, string>> } = {}): Promise<string> {
    const { topics } = await this.ask(CreateTopics, {
      topics: [{ name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })) }]
    })
    const [created] = topics
    if (created?.errorCode !== 0) throw new Error(`the topic was not created: ${created?.errorCode} ${created?.errorMessage}`)
    return created.topicId
  }

  async produce (topic: string, records: Buffer, { acks = -1, transactionalId = null }: { readonly acks?: number, readonly transactionalId?: string | null } = {}): Promise<ProducedRow> {
    const { responses } = await this.ask(Produce, { acks, timeoutMs: 1000, transactionalId, topicData: [{ name: topic, partitionData: [{ index: 0, records }] }] }, 12)
    return only(only(responses).partitionResponses)
  }

  async fetch (topic: string, offset: number, options: FetchOptions = {}): Promise<FetchedRow> {
    const { maxWaitMs = 0, minBytes = 1, maxBytes = 1024 * 1024, isolationLevel = 0, currentLeaderEpoch = -1, lastFetchedEpoch = -1 } = options
    const { responses } = await this.ask(Fetch, {
      maxWaitMs,
      minBytes,
      isolationLevel,
      topics: [{ topic, partitions: [{ partition: 0, fetchOffset: BigInt(offset), partitionMaxBytes: maxBytes, currentLeaderEpoch, lastFetchedEpoch }] }]
    }, 12)
    return only(only(responses).partitions)
  }
}

export interface FetchOptions {
  readonly maxWaitMs?: number
  readonly minBytes?: number
  readonly maxBytes?: number
  readonly isolationLevel?: number
  readonly currentLeaderEpoch?: number
  readonly lastFetchedEpoch?: number
}

export async function startPeer (t: Test, options: EmbeddedBrokerOptions = {}): Promise<Peer> {
  const broker = await EmbeddedBroker.start(options)
  t.teardown(() => broker.stop())
  return new Peer(broker, await connect(t, broker))
}

export async function connect (t: Test, broker: EmbeddedBroker): Promise<Connection> {
  const connection = await Connection.open(broker.address, { clientId: 'test', connectionTimeoutMs: TIMEOUT_MS })
  t.teardown(() => connection.close('requested'))
  return connection
}

export function temporaryFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'embedded-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A batch of so many small records, now, at offset 0 unless said otherwise. */
export function batchOf (count: number, input: Partial<BatchInput> = {}): Buffer {
  const timestamp = Date.now()
  return buildBatch({ records: Array.from({ length: count }, (_, index) => ({ timestamp, key: Buffer.from('k'), value: Buffer.from(`value ${index}`) })), ...input })
}

export function only<T> (list: readonly T[]): T {
  const [first] = list
  if (first === undefined || list.length !== 1) throw new Error(`${list.length} where one was expected`)
  return first
}
