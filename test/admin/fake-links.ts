/** An engine that only says what a test has it say. */
import { ShadowError } from '../../src/errors.ts'
import type { AuditRecord, Operator } from '../../src/state/audit-record.ts'
import { parseLinkDocument } from '../../src/config/link-config.ts'
import type { LinkService, LinkStatus, LinkUpdate, PartitionStatus, PauseSelection, PreflightLine, Restoration, RestorePlan, TopicSelection, TopicStatus, VerifyTopicReport } from '../../src/replication/link-service.ts'

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
    pausedAt: null,
    appendMode: 'produce',
    appendModeReason: null,
    standbys: null,
    sourceClusterId: 'source-cluster',
    createdAt: '2026-01-02T03:00:00.000Z',
    configuration: { name, client_options: { bootstrap_servers: ['source:9092'] } },
    groups: [],
    tasks: [{ name: 'Source Topic Sync', state: 'ACTIVE', reason: 'found 1 topic', since: '2026-01-02T03:04:05.000Z' }],
    topics: [topic('orders')],
    security: { acls: null, quotas: null, users: null, problems: [], problemCount: 0, syncedAt: null },
    syncedShadowTopicProperties: ['retention.ms'],
    schemaRegistry: null,
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

  /** What an update would change. */
  changed: string[] = []

  async update (name: string, document: unknown, { dryRun }: { readonly dryRun: boolean }): Promise<LinkUpdate> {
    this.#record('update', name, document, dryRun)
    parseLinkDocument(document, 'link')
    const status = this.links.get(name)
    if (status === undefined) throw new ShadowError('NOT_FOUND', `there is no link ${name}`)
    return { changed: this.changed, reconnects: false, link: status }
  }

  async check (document: unknown): Promise<PreflightLine[]> {
    this.#record('check', document)
    parseLinkDocument(document, 'link')
    return this.lines
  }

  /** Who gave the last order. */
  operator: Operator | null = null
  records: AuditRecord[] = []

  async audit (link: string | null): Promise<AuditRecord[]> {
    this.#record('audit', link)
    return this.records
  }

  #order (order: string, name: string, what: PauseSelection, by: Operator | null = null): LinkStatus {
    this.#record(order, name, what)
    this.operator = by
    const status = this.links.get(name)
    if (status === undefined) throw new ShadowError('NOT_FOUND', `there is no link ${name}`)
    return status
  }

  async removeTopic (name: string, topic: string): Promise<LinkStatus> {
    return this.#order('remove', name, topic)
  }

  async retryTopic (name: string, topic: string): Promise<LinkStatus> {
    return this.#order('retry', name, topic)
  }

  async restoreTopic (name: string, topic: string, restoration: Restoration): Promise<LinkStatus> {
    const status = this.#order('restore', name, topic)
    this.calls.at(-1)?.push(restoration)
    return status
  }

  /** What a restoration would throw away. */
  plan: Omit<RestorePlan, 'topic'> = { isOtherTopic: false, partitions: [{ partition: 0, fromOffset: 120, toOffset: 100, difference: 'they differ' }] }

  async planRestore (name: string, topic: string): Promise<RestorePlan> {
    this.#order('plan', name, topic)
    return { topic, ...this.plan }
  }

  async failover (name: string, topics: TopicSelection, by: Operator | null = null): Promise<LinkStatus> {
    return this.#order('failover', name, topics, by)
  }

  async promote (name: string, topics: TopicSelection): Promise<LinkStatus> {
    return this.#order('promote', name, topics)
  }

  async pause (name: string, what: PauseSelection): Promise<LinkStatus> {
    return this.#order('pause', name, what)
  }

  async resume (name: string, what: PauseSelection): Promise<LinkStatus> {
    return this.#order('resume', name, what)
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
