/**
 * The links of the run file. Whoever leads creates those that do not exist, each once: a link that was deleted stays deleted, and one
 * that exists is changed by an update, not by the file.
 */
import type { LinkConfig } from '../config/link-config.ts'
import { messageOf } from '../errors.ts'
import { isAborted } from '../net/abort.ts'
import { sleep } from '../net/sleep.ts'
import type { Logger } from '../observability/logger.ts'
import type { DeletionRecord, LinkRecord } from '../state/records.ts'

const RETRY_MS = { step: 500, most: 5000 }

export interface ConfiguredLinksOptions {
  readonly links: readonly LinkConfig[]
  /** Null for a link that does not exist. */
  readonly recordOf: (name: string) => LinkRecord | null
  readonly deletionOf: (name: string) => DeletionRecord | null
  /** The keys in which a link's record differs from what the file says. */
  readonly differences: (record: LinkRecord, given: LinkConfig) => Promise<readonly string[]>
  readonly create: (given: LinkConfig) => Promise<unknown>
  readonly logger: Logger
}

export class ConfiguredLinks {
  readonly #options: ConfiguredLinksOptions
  /** By name of the link. */
  readonly #problems = new Map<string, string>()

  constructor (options: ConfiguredLinksOptions) {
    this.#options = options
  }

  /** Why a link could not be created yet; null while there is none such. */
  get problem (): string | null {
    const [first] = this.#problems.values()
    return first === undefined ? null : `${first}${this.#problems.size > 1 ? `; and ${this.#problems.size - 1} more` : ''}`
  }

  /** One link waits for no other. Resolves when all exist, or at the end of the signal. */
  async run (signal: AbortSignal): Promise<void> {
    await Promise.all(this.#options.links.map(async link => {
      try {
        await this.#ensure(link, signal)
      } finally {
        this.#problems.delete(link.name)
      }
    }))
  }

  async #ensure (link: LinkConfig, signal: AbortSignal): Promise<void> {
    const { recordOf, deletionOf, create, logger } = this.#options
    const { name } = link
    const known = recordOf(name)
    if (known !== null) {
      await this.#compare(known, link)
      return
    }
    for (let attempt = 0; !signal.aborted && recordOf(name) === null; attempt++) {
      const deletion = deletionOf(name)
      if (deletion !== null) {
        logger.warn({ link: name, deletedAt: deletion.at }, `link ${name} is in the file of kshadow run, and was deleted at ${deletion.at}: it is not created again by itself. Take it out of the file, or run kshadow create`)
        return
      }
      try {
        await create(link)
        return
      } catch (error) {
        if (isAborted(signal)) return
        this.#problems.set(name, `link ${name} could not be created: ${messageOf(error)}`)
        logger.error({ link: name, err: error }, `link ${name} could not be created, trying again: ${messageOf(error)}`)
        await sleep(Math.min(RETRY_MS.most, RETRY_MS.step * (attempt + 1)), signal).catch(() => {})
      }
    }
  }

  async #compare (known: LinkRecord, link: LinkConfig): Promise<void> {
    const { differences, logger } = this.#options
    try {
      const changed = await differences(known, link)
      if (changed.length > 0) logger.warn({ link: link.name, changed }, `link ${link.name} differs from the file of kshadow run in ${changed.join(', ')}: the file only creates links. Change it with kshadow update`)
    } catch (error) {
      logger.warn({ link: link.name, err: error }, `link ${link.name} differs from the file of kshadow run, and cannot be made what that says: ${messageOf(error)}`)
    }
  }
}
