/**
 * What somebody orders about the topics of a link. An order is carried out when it is recorded; what it begins goes on in the
 * background, on whatever engine leads.
 */
import { selects } from '../../config/link/name-filter.ts'
import { SCHEMAS_TOPIC } from '../../config/link/schema-sync-options.ts'
import { PAUSABLE_TASKS, withTaskPaused } from '../../config/link/task-sections.ts'
import type { LinkConfig } from '../../config/link-config.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import { isAborted } from '../../net/abort.ts'
import { sleep } from '../../net/sleep.ts'
import type { Logger } from '../../observability/logger.ts'
import type { LinkRecord } from '../../state/records.ts'
import { isWritable, openedState } from '../../state/topic-state.ts'
import type { Openings } from '../failover/openings.ts'
import type { TopicSelection } from '../link-service.ts'
import type { ShadowTopic } from './shadow-topic.ts'

/** What the link is to the orders about it. */
export interface OrdersHost {
  readonly name: string
  readonly record: LinkRecord
  readonly topics: ReadonlyMap<string, ShadowTopic>
  readonly openings: Openings
  readonly wallClock: () => Date
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Changes the link's record; resolves when that counts. */
  change (change: (record: LinkRecord) => LinkRecord): Promise<void>
  reconfigure (config: LinkConfig): Promise<void>
  wakeTasks (): void
  wakeSync (): void
  /** A failover of the whole link was recorded. */
  onFailedOver (): void
  /** Whether the promotion of the link has nothing to wait for in the source's schema registry. */
  isSchemasLevel (): boolean
  /** Nothing new is shadowed any more. */
  onDone (): void
  /** Topics were paused. */
  onPaused (): void
}

/** The status of so many topics and more, which whoever orders is answered with, takes as long as their handover: that goes first. None is open before. */
const MANY_TOPICS = 200
const HAND_OVER_FIRST_MS = 100

/** How many topics are named that an order cannot be carried out for. */
const NAMED = 3

export class LinkOrders {
  readonly #host: OrdersHost

  constructor (host: OrdersHost) {
    this.#host = host
  }

  /**
   * What is opened: the topic of a schema registry by its own name only, or `withSchemas`. Which site's registry gives out ids is another
   * decision than which site's topics are written to.
   * @throws {ShadowError} as `chosen`
   */
  #opened (selection: TopicSelection, { withSchemas = false }: { readonly withSchemas?: boolean } = {}): ShadowTopic[] {
    const chosen = this.chosen(selection)
    return withSchemas || typeof selection === 'string' ? chosen : chosen.filter(({ topic }) => topic !== SCHEMAS_TOPIC)
  }

  /** @throws {ShadowError} NOT_FOUND when there is none; CONFLICT for a single topic that the link does not own */
  chosen (selection: TopicSelection): ShadowTopic[] {
    const { topics, name } = this.#host
    if (typeof selection === 'string') {
      const topic = topics.get(selection)
      if (topic === undefined) throw new ShadowError('NOT_FOUND', `link ${name} has no shadow topic ${selection}`)
      if (!topic.record.owned) throw new ShadowError('CONFLICT', `topic ${selection} is not a shadow of link ${name}: ${topic.record.fault?.reason ?? 'it was removed from it'}`)
      return [topic]
    }
    const chosen = [...topics.values()].filter(({ topic, record, isRemoved }) => record.owned && !isRemoved && (selection === null || selects(selection, topic)))
    if (selection !== null && chosen.length === 0) throw new ShadowError('NOT_FOUND', `the filters select no shadow topic of link ${name}`)
    return chosen
  }

  #now (): string {
    return this.#host.wallClock().toISOString()
  }

  /**
   * Begins the failover of topics, of the whole link with null; resolves when it is recorded. What is failing over or failed over
   * already is left as it is.
   * @throws {ShadowError} as `chosen`
   */
  async failover (selection: TopicSelection, options: { readonly withSchemas?: boolean } = {}): Promise<void> {
    if (selection === null && this.#host.record.failedOverAt === null) await this.#host.change(record => ({ ...record, failedOverAt: record.failedOverAt ?? this.#now() }))
    if (selection === null) this.#host.onFailedOver()
    const topics = this.#opened(selection, options)
    await Promise.all(topics.map(topic => this.#failOver(topic)))
    if (selection === null) this.#host.onDone()
    // It is recorded: nothing that ends the engine meanwhile changes that.
    if (topics.length >= MANY_TOPICS) await sleep(HAND_OVER_FIRST_MS, this.#host.signal).catch(() => {})
  }

  async #failOver (topic: ShadowTopic): Promise<void> {
    const { openings } = this.#host
    if (topic.record.state !== 'FAILING_OVER') await openings.endPromotion(topic)
    if (isWritable(topic.record.state)) return
    if (topic.record.state !== 'FAILING_OVER') await topic.enter('FAILING_OVER')
    openings.begin(topic)
  }

  /**
   * Begins the promotion of topics, of the whole link with null; resolves when it is recorded. What is promoting, or writable
   * already, is left as it is; what is paused goes on being copied. In the promotion of a link, topics that are new on the source are
   * shadowed and promoted too; once all topics are open and the source has no new ones, nothing new is shadowed any more.
   * @throws {ShadowError} as `chosen`; CONFLICT for a topic that is FAULTED or FAILING_OVER: nothing is begun when there is any such
   */
  async promote (selection: TopicSelection): Promise<void> {
    const topics = this.#opened(selection)
    refuse(topics.flatMap(({ topic, record: { state } }) => {
      if (state === 'FAULTED') return [`topic ${topic} is FAULTED, so the shadow does not have everything of it: it can be failed over, with what it has`]
      return state === 'FAILING_OVER' ? [`topic ${topic} is FAILING_OVER already`] : []
    }))
    const { record } = this.#host
    if (selection === null && record.failedOverAt === null && (record.promotingAt === null || record.pausedAt !== null)) {
      await this.#host.change(before => ({ ...before, promotingAt: before.promotingAt ?? this.#now(), pausedAt: null }))
    }
    await Promise.all(topics.map(topic => this.#promote(topic)))
    this.#host.wakeSync()
  }

  async #promote (topic: ShadowTopic): Promise<void> {
    const { state } = topic.record
    if (state === 'ACTIVE' || state === 'PAUSED') await topic.follow('PROMOTING')
    if (openedState(topic.record.state) !== null) this.#host.openings.begin(topic)
  }

  /**
   * Stops copying: topics become PAUSED, and stay so until they are resumed. Of the whole link, with null, its tasks are paused too,
   * and topics that are FAULTED, being opened or open are left as they are.
   * @throws {ShadowError} as `chosen`; CONFLICT for a topic in such a state: nothing is paused when there is any; and for a link that is being promoted
   */
  async pause (selection: TopicSelection): Promise<void> {
    const isWhole = selection === null
    if (isWhole) {
      const { name, record } = this.#host
      if (record.promotingAt !== null && record.failedOverAt === null) throw new ShadowError('CONFLICT', `link ${name} is being promoted: its topics are copied until they are level with the source`)
      await this.#host.change(before => ({ ...before, pausedAt: before.pausedAt ?? this.#now() }))
      this.#host.wakeTasks()
    }
    // Nothing new is taken in from here on.
    const topics = this.chosen(selection)
    if (!isWhole) refuse(topics.flatMap(({ topic, record: { state } }) => state === 'ACTIVE' || state === 'PAUSED' ? [] : [`topic ${topic} is ${state}, and is not copied as an ACTIVE topic is`]))
    await Promise.all(topics.map(async topic => {
      if (topic.record.state === 'ACTIVE') await topic.pause({ pausedWithLink: isWhole })
      // It then stays paused when the link is resumed.
      else if (!isWhole && topic.record.state === 'PAUSED' && topic.record.pausedWithLink) await topic.update({ pausedWithLink: false })
    }))
    this.#host.onPaused()
  }

  /**
   * Goes on with what was paused. With null that is what was paused with the whole link, and not what was paused one by one.
   * @throws {ShadowError} as `chosen`; CONFLICT for a topic that is FAULTED, being opened or open, and with null where the link is not
   * paused, and topics of it are
   */
  async resume (selection: TopicSelection): Promise<void> {
    const topics = this.chosen(selection)
    const paused = topics.filter(({ record }) => record.state === 'PAUSED')
    if (selection === null) {
      const { name, record } = this.#host
      if (record.pausedAt === null && paused.length > 0) throw new ShadowError('CONFLICT', `link ${name} is not paused, but ${paused.length} of its topics are, one by one: ${named(paused.map(({ topic }) => topic))}; resume them by name or by filter`)
      await this.#host.change(before => ({ ...before, pausedAt: null }))
    } else refuse(topics.flatMap(({ topic, record: { state } }) => state === 'ACTIVE' || state === 'PAUSED' ? [] : [`topic ${topic} is ${state}, and not PAUSED`]))
    await Promise.all(paused.filter(({ record }) => selection !== null || record.pausedWithLink).map(topic => topic.follow('ACTIVE')))
    this.#host.wakeTasks()
  }

  /** @throws {ShadowError} NOT_FOUND */
  async pauseTask (task: string, paused: boolean): Promise<void> {
    const config = withTaskPaused(this.#host.record.config, task, paused)
    if (config === null) throw new ShadowError('NOT_FOUND', `there is no task ${task}; there is: ${PAUSABLE_TASKS.join(', ')}`)
    await this.#host.reconfigure(config)
  }

  /** True when nothing that the link owns is a shadow. */
  get isAllOpen (): boolean {
    return this.#opened(null).every(({ record }) => isWritable(record.state))
  }

  /**
   * After a sync without problems, in the promotion of the whole link: takes in the topics that are new on the source. The link's
   * promotion has ended when all was open before that sync (`wasOpen`), and it found no more. False when all that is missing is
   * one more sync.
   */
  async goOnPromoting (wasOpen: boolean): Promise<boolean> {
    const { record, logger, name, signal } = this.#host
    if (record.promotingAt === null || record.failedOverAt !== null) return true
    try {
      for (const topic of this.#opened(null)) await this.#promote(topic)
      if (!this.isAllOpen) return true
      if (!wasOpen) return false
      if (!this.#host.isSchemasLevel()) return true
      await this.#host.change(before => ({ ...before, failedOverAt: before.failedOverAt ?? this.#now() }))
      this.#host.onFailedOver()
      logger.info({ link: name }, `all topics of link ${name} are open: nothing new is shadowed any more`)
      this.#host.onDone()
    } catch (error) {
      if (!isAborted(signal)) logger.warn({ link: name, err: error }, `the promotion of link ${name} could not go on: ${messageOf(error)}`)
    }
    return true
  }
}

/** @throws {ShadowError} CONFLICT where there is any reason */
function refuse (reasons: readonly string[]): void {
  if (reasons.length > 0) throw new ShadowError('CONFLICT', `${reasons.slice(0, NAMED).join('; ')}${reasons.length > NAMED ? `; and ${reasons.length - NAMED} more topics` : ''}`)
}

function named (topics: readonly string[]): string {
  return `${topics.slice(0, NAMED).join(', ')}${topics.length > NAMED ? ` and ${topics.length - NAMED} more` : ''}`
}
