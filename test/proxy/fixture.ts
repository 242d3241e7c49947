/** A sidecar between raw clients and raw brokers, with a link state that the test sets. */
import type { Test } from 'tap'
import { decodeRequest, encodeResponse } from '../../protocol/header.ts'
import type { Api, RequestOf, ResponseInput } from '../../protocol/schema/api.ts'
import { parseNodeIds } from '../../src/config/node-ids.ts'
import type { SidecarConfig } from '../../src/config/run-config.ts'
import { parseLinkDocument } from '../../src/config/link-config.ts'
import type { ClusterView } from '../../src/client/cluster.ts'
import { silentLogger, type Logger } from '../../src/observability/logger.ts'
import { Sidecar, type SidecarOptions } from '../../src/proxy/sidecar.ts'
import { LinkState } from '../../src/state/link-state.ts'
import { encodeValue, keyOf, type AppendMode, type StateChange, type TopicRecord } from '../../src/state/records.ts'
import type { LinkStateView } from '../../src/state/state-follower.ts'
import type { StateLoss } from '../../src/state/state-loss.ts'
import type { TopicState } from '../../src/state/topic-state.ts'
import { RawBroker, type RawRequest } from '../support/raw-broker.ts'
import { RawClient } from '../support/raw-client.ts'

export const POISON = { host: 'poison.invalid', port: 1 } as const

/** Link state as a test wants it. */
export class FakeLinkState implements LinkStateView {
  /** What the test has set, known or not. */
  readonly all = new LinkState()
  state: LinkState | null = this.all
  loss: StateLoss | null = null
  age = 0
  #offset = 0

  ageMs (): number {
    return this.age
  }

  onChange (): () => void {
    return () => {}
  }

  topic (topic: string, state: TopicState, owned = true, input: Partial<TopicRecord> = {}): void {
    const value: TopicRecord = {
      link: 'dr',
      topic,
      state,
      since: '2025-01-01T00:00:00Z',
      owned,
      created: owned,
      sourceTopicId: null,
      shadowTopicId: null,
      partitions: 1,
      replicationFactor: null,
      configs: {},
      fault: null,
      endOffsets: null,
      handingOver: false,
      pausedWithLink: false,
      startOffsets: null,
      refusedConfigs: {},
      rollbacks: [],
      ...input
    }
    this.#apply({ kind: 'topic', link: 'dr', topic, value })
  }

  /** A link named `dr` that selects topics whose names start with `prefix`. */
  link (prefix: string, appendMode: AppendMode = 'produce'): void {
    const config = parseLinkDocument({
      name: 'dr',
      client_options: { bootstrap_servers: ['source:9092'] },
      topic_metadata_sync_options: { auto_create_shadow_topic_filters: [{ pattern_type: 'PREFIX', filter_type: 'INCLUDE', name: prefix }] }
    }, 'test')
    this.#apply({ kind: 'link', name: 'dr', value: { uid: 'u', config, appendMode, appendModeReason: null, sourceClusterId: null, createdAt: '2025-01-01T00:00:00Z', failedOverAt: null, promotingAt: null, pausedAt: null, highestProducerId: -1 } })
  }

  /** A broker that is no real one. */
  shadowLeader (brokerId: number): void {
    this.#apply({ kind: 'shadow-leader', brokerId, value: { brokerId, incarnationId: 'i', logDirId: 'd', since: '2025-01-01T00:00:00Z', address: null, instance: null } })
  }

  #apply (change: StateChange): void {
    this.all.apply(this.#offset++, keyOf(change), encodeValue(change, 0))
  }
}

export interface Fixture {
  readonly sidecar: Sidecar
  /** Node 1, at the bootstrap port too. */
  readonly broker: RawBroker
  readonly links: FakeLinkState
  /** A client at the bootstrap port, or at that of a node. */
  readonly client: (nodeId?: number) => Promise<RawClient>
  readonly portOf: (nodeId: number) => number
}

export interface FixtureOptions {
  readonly config?: Partial<SidecarConfig>
  readonly nodeIds?: string
  readonly logger?: Logger
  /** False for a sidecar that knows nothing of the links when it starts. */
  readonly isStateKnown?: boolean
  /** The ids under which the cluster shows the broker. */
  readonly brokerIds?: readonly number[]
  readonly dial?: SidecarOptions['dial']
  readonly cluster?: SidecarOptions['cluster']
  readonly holdLimits?: SidecarOptions['holdLimits']
}

export async function start (t: Test, options: FixtureOptions = {}): Promise<Fixture> {
  const broker = await RawBroker.start()
  t.teardown(() => broker.stop())
  const links = new FakeLinkState()
  links.topic('ro', 'ACTIVE')
  links.topic('open', 'FAILED_OVER')
  if (options.isStateKnown === false) {
    links.state = null
    links.age = Infinity
  }
  const view = (): ClusterView => ({
    clusterId: 'c',
    controllerId: 1,
    brokers: new Map((options.brokerIds ?? [1]).map(nodeId => [nodeId, { nodeId, ...broker.address, rack: null }])),
    topics: new Map(),
    atMs: 0
  })
  const sidecar = await Sidecar.start({
    config: {
      enabled: true,
      listenHost: '127.0.0.1',
      advertisedHost: '127.0.0.1',
      bootstrapPort: 0,
      nodeIds: parseNodeIds(options.nodeIds ?? '0-3') ?? [],
      maxFrameBytes: 1024 * 1024,
      staleAfterMs: 10_000,
      drainTimeoutMs: 2000,
      ...options.config
    },
    cluster: options.cluster ?? { lastView: view(), refreshBrokers: async () => view(), refresh: async () => view() },
    connectionTimeoutMs: 2000,
    state: links,
    logger: options.logger ?? silentLogger,
    ...(options.dial === undefined ? {} : { dial: options.dial }),
    ...(options.holdLimits === undefined ? {} : { holdLimits: options.holdLimits })
  })
  const clients: RawClient[] = []
  t.teardown(async () => {
    for (const client of clients) client.close()
    await sidecar.stop()
  })
  const portOf = (nodeId: number): number => {
    const found = sidecar.status().ports.find(entry => entry.nodeId === nodeId)
    if (found === undefined) throw new Error(`no port for node ${nodeId}`)
    return found.port
  }
  return {
    sidecar,
    broker,
    links,
    portOf,
    async client (nodeId) {
      const client = await RawClient.open(nodeId === undefined ? sidecar.bootstrap.port : portOf(nodeId))
      clients.push(client)
      return client
    }
  }
}

/** Answers with what a message of the API says. */
export function answerWith<A extends Api> (api: A, make: (body: RequestOf<A>, version: number) => ResponseInput<A>): (request: RawRequest) => Buffer[] {
  return ({ version, correlationId, frame }) => encodeResponse(api, version, { correlationId }, make(decodeRequest(api, version, frame).body, version))
}

const PATIENCE_MS = 20_000

/** Waits until something is so. */
export async function until (holds: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS
  while (!holds()) {
    if (Date.now() > deadlineMs) throw new Error(`never came true: ${String(holds)}`)
    await new Promise(resolve => { setTimeout(resolve, 5) })
  }
}

/** An answer of nothing but a correlation id, for APIs whose answers pass unread. */
export function emptyAnswer ({ correlationId }: RawRequest): Buffer {
  const frame = Buffer.alloc(8)
  frame.writeInt32BE(4, 0)
  frame.writeInt32BE(correlationId, 4)
  return frame
}
