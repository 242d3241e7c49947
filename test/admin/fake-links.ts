/** An engine that only says what a test has it say. */
import { ShadowError } from '../../src/errors.ts'
import { parseLinkDocument } from '../../src/config/link-config.ts'
import type { LinkService, LinkStatus, PartitionStatus, PreflightLine, TopicStatus, VerifyTopicReport } from '../../src/replication/link-service.ts'

export function partition (over: Partial<PartitionStatus> = {}): PartitionStatus {
  return {
    partition: 0,
    sourceLogStartOffset: 0,
    sourceLastStableOffset: 120,
    sourceHighWatermark: 120,
    shadowEndOffset: 100,
    lagRecords: 20,
    lagSeconds: 1.5,
    sourceContactAgeMs: 40,
    activity: 'copying',
    problem: null,
    ...over
  }
}

export function topic (name: string, over: Partial<TopicStatus> = {}): TopicStatus {
  return {
    name,
    topicId: '3f0c1e2d-0000-4000-8000-000000000001',
    sourceTopicId: '3f0c1e2d-0000-4000-8000-0000000000aa',
    state: 'ACTIVE',
    since: '2026-01-02T03:04:05.000Z',
    owned: true,
    fault: null,
    fidelity: 'exact',
    partitions: [partition()],
    startOffsets: null,
    syncedConfigs: {},
    refusedConfigs: {},
    rollbacks: [],
    problem: null,
    ...over
  }
}

export function link (name: string, over: Partial<LinkStatus> = {}): LinkStatus {
  return {
    name,
    uid: '11111111-2222-4333-8444-555555555555',
    state: 'ACTIVE',
    appendMode: 'produce',
    appendModeReason: null,
    sourceClusterId: 'source-cluster',
    createdAt: '2026-01-02T03:00:00.000Z',
    configuration: { name, client_options: { bootstrap_servers: ['source:9092'] } },
    groups: [],
    tasks: [{ name: 'Source Topic Sync', state: 'ACTIVE', reason: 'found 1 topic', since: '2026-01-02T03:04:05.000Z' }],
    topics: [topic('orders')],
    syncedShadowTopicProperties: ['retention.ms'],
    source: { reachable: true, contactAgeMs: 40, problem: null },
    bufferedBytes: 2048,
    copiedBytes: 5 * 1024 * 1024,
    ...over
  }
}

export function report (over: Partial<VerifyTopicReport> = {}): VerifyTopicReport {
  return { topic: 'orders', partition: 0, replica: null, fromOffset: 0, toOffset: 100, batches: 3, bytes: 3072, difference: null, incomplete: null, ...over }
}

export class FakeLinks implements LinkService {
  links = new Map<string, LinkStatus>()
  leading = true
  adminAddress: string | null = null
  readonly calls: unknown[][] = []
  /** What the next call throws. */
  failure: Error | null = null
  lines: PreflightLine[] = []
  reports: (signal: AbortSignal) => AsyncIterable<VerifyTopicReport> = async function * () {}

  constructor (...links: LinkStatus[]) {
    for (const status of links) this.links.set(status.name, status)
  }

  #record (...call: unknown[]): void {
    this.calls.push(call)
    const failure = this.failure
    this.failure = null
    if (failure !== null) throw failure
    if (!this.leading) throw new ShadowError('NOT_LEADER', 'the links are led elsewhere', { details: { leader: this.adminAddress } })
  }

  async list (): Promise<LinkStatus[]> {
    this.#record('list')
    return [...this.links.values()]
  }

  async status (name: string): Promise<LinkStatus> {
    this.#record('status', name)
    const status = this.links.get(name)
    if (status === undefined) throw new ShadowError('NOT_FOUND', `there is no link ${name}`)
    return status
  }

  async create (document: unknown, { dryRun }: { readonly dryRun: boolean }): Promise<LinkStatus> {
    this.#record('create', document, dryRun)
    return link(parseLinkDocument(document, 'link').name, { topics: [] })
  }

  async check (document: unknown): Promise<PreflightLine[]> {
    this.#record('check', document)
    parseLinkDocument(document, 'link')
    return this.lines
  }

  async failover (name: string, topic: string | null): Promise<LinkStatus> {
    this.#record('failover', name, topic)
    const status = this.links.get(name)
    if (status === undefined) throw new ShadowError('NOT_FOUND', `there is no link ${name}`)
    return status
  }

  async promote (name: string, topic: string | null): Promise<LinkStatus> {
    this.#record('promote', name, topic)
    const status = this.links.get(name)
    if (status === undefined) throw new ShadowError('NOT_FOUND', `there is no link ${name}`)
    return status
  }

  async delete (name: string, { force }: { readonly force: boolean }): Promise<void> {
    this.#record('delete', name, force)
    this.links.delete(name)
  }

  async * verify (name: string, { topic, signal }: { readonly topic: string | null, readonly signal: AbortSignal }): AsyncGenerator<VerifyTopicReport> {
    this.#record('verify', name, topic)
    yield * this.reports(signal)
  }

  leadership (): { readonly leading: boolean, readonly adminAddress: string | null } {
    return { leading: this.leading, adminAddress: this.adminAddress }
  }
}
