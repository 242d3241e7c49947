/** The configs of shadow topics: what they must be, what of the source's they are to be at a failover, and setting them. */
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { alterTopicConfigs } from '../../../../client/admin/alter-topic-configs.ts'
import { describeTopicConfigs } from '../../../../client/admin/describe-topic-configs.ts'
import { BrokerError, ShadowError } from '../../../../errors.ts'
import type { TopicRecord } from '../../../../state/records.ts'
import { STATE_TOPIC } from '../../../../state/state-topic.ts'
import { assertLeads } from '../../../may-lead.ts'
import type { ShadowTopic } from '../../shadow-topic.ts'
import type { DescribedConfigs } from './followed-configs.ts'
import { settleConfigs } from './settle-configs.ts'
import { carriedConfigs, driftOf } from './topic-configs.ts'
import type { TopicSyncHost } from './topic-sync.ts'

export type ShadowConfigsHost = Pick<TopicSyncHost, 'name' | 'shadow' | 'options' | 'mode' | 'signal' | 'isLeading' | 'logger'>

export class ShadowConfigs {
  readonly #host: ShadowConfigsHost
  #supported: Promise<ReadonlySet<string>> | null = null

  constructor (host: ShadowConfigsHost) {
    this.#host = host
  }

  /** Takes note of the source's configs for the failover, and reverts what somebody changed on the shadow. */
  async follow (topic: ShadowTopic, theirs: DescribedConfigs, mine: DescribedConfigs): Promise<void> {
    const { options, logger } = this.#host
    const name = topic.topic
    if (theirs instanceof BrokerError) throw theirs
    if (theirs !== undefined) {
      const carried = carriedConfigs(theirs, options(), await this.supported())
      const { configs, refusedConfigs } = topic.record
      if (!sameConfigs(carried, configs)) {
        // Another value is tried.
        await topic.update({ configs: carried, refusedConfigs: Object.fromEntries(Object.entries(refusedConfigs).filter(([refused]) => carried[refused] === configs[refused])) })
      }
    }
    if (mine instanceof BrokerError) throw mine
    if (mine === undefined) return
    const drift = driftOf(mine, await this.shadowing(topic.record))
    if (drift.size === 0) return
    logger.warn({ link: this.#host.name, topic: name, configs: [...drift.keys()] }, `configs of the shadow topic ${name} were changed by somebody: setting them again`)
    const refused = await this.settle(name, drift)
    const needed = await this.needed(topic.record)
    const missing = Object.keys(refused).filter(config => config in needed)
    if (missing.length > 0) throw new ShadowError('CONFLICT', `the shadow cluster refuses what a shadow needs: ${missing.map(config => `${config}=${refused[config] ?? ''}`).join('; ')}`)
    if (Object.keys(refused).length > 0) await topic.update({ refusedConfigs: { ...topic.record.refusedConfigs, ...refused } })
  }

  /** Sets configs one by one where they are refused together. Returns what the shadow cluster has against each that it refuses. @throws {ShadowError} */
  async settle (topic: string, changes: ReadonlyMap<string, string>): Promise<Record<string, string>> {
    const { shadow, signal, isLeading, name: link, logger } = this.#host
    const refused = await settleConfigs(async (name, some) => {
      assertLeads(isLeading)
      await alterTopicConfigs(shadow, name, some, { signal })
    }, topic, changes, { resetsRefused: false })
    for (const [name, reason] of Object.entries(refused)) logger.warn({ link, topic, config: name }, `the shadow cluster refuses config ${name} of ${topic}: ${reason}`)
    return refused
  }

  /** The names of topic configs that the shadow cluster knows. Many topics ask at once, and share one question. */
  async supported (): Promise<ReadonlySet<string>> {
    this.#supported ??= this.#askSupported().catch((error: unknown) => {
      this.#supported = null
      throw error
    })
    return await this.#supported
  }

  async #askSupported (): Promise<ReadonlySet<string>> {
    const entries = (await describeTopicConfigs(this.#host.shadow, [STATE_TOPIC], { signal: this.#host.signal })).get(STATE_TOPIC)
    if (entries === undefined || entries instanceof BrokerError) throw entries ?? new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, `DescribeConfigs ${STATE_TOPIC}`)
    return new Set(entries.keys())
  }

  /** What a topic's configs must be while it is a shadow, but for what the shadow cluster refuses. */
  async shadowing (record: TopicRecord): Promise<Readonly<Record<string, string>>> {
    const needed = await this.needed(record)
    const all = this.#host.mode.shadowingConfigs(record, await this.supported())
    return Object.fromEntries(Object.entries(all).filter(([name]) => name in needed || !(name in record.refusedConfigs)))
  }

  /** Those that a shadow needs, whatever its source has. */
  async needed (record: TopicRecord): Promise<Readonly<Record<string, string>>> {
    return this.#host.mode.shadowingConfigs({ ...record, configs: {} }, await this.supported())
  }
}

function sameConfigs (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every(name => a[name] === b[name])
}
