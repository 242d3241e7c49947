import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { FindCoordinator } from '../../../protocol/messages/find-coordinator.ts'
import type { ResponseOf } from '../../../protocol/schema/api.ts'
import { BrokerError, ShadowError } from '../../errors.ts'
import { throwIfAborted } from '../../net/abort.ts'
import type { Cluster } from '../cluster.ts'

export const GROUP_KEY_TYPE = 0

/** From this version on FindCoordinator takes several keys. */
export const COORDINATOR_KEYS_VERSION = 4
const KEYS_PER_REQUEST = 1000

/** A connection of its own: nothing else waits for what is asked about groups. */
export const GROUPS_PURPOSE = 'groups'
/** How long a coordinator may take. */
export const GROUP_REQUEST_TIMEOUT_MS = 10_000

type Signal = { readonly signal: AbortSignal }

/** Sends one request; says for every group what came of it. */
export type AskCoordinator<A> = (nodeId: number, groupIds: readonly string[]) => Promise<ReadonlyMap<string, A | Error>>

/**
 * Which broker coordinates which group, as far as that is known, and requests about many groups that go to those brokers. Nothing
 * is asked twice: a coordinator that has moved is looked up by the next request.
 */
export class Coordinators {
  readonly #cluster: Cluster
  readonly #known = new Map<string, number>()

  constructor (cluster: Cluster) {
    this.#cluster = cluster
  }

  /** A broker has shown the group as its own. */
  learn (groupId: string, nodeId: number): void {
    this.#known.set(groupId, nodeId)
  }

  /** Forgets all other groups: there may have been many in the course of time. */
  keepOnly (groupIds: { has (groupId: string): boolean }): void {
    for (const groupId of this.#known.keys()) if (!groupIds.has(groupId)) this.#known.delete(groupId)
  }

  /**
   * Asks the coordinators of groups, all of them at a time, each with at most `most` groups in one request. Returns an answer or an error for
   * every group: what fails for one broker or group fails for no other.
   * @throws {ShadowError} ABORTED
   */
  async ask<A> (groupIds: readonly string[], most: number, ask: AskCoordinator<A>, { signal }: Signal): Promise<Map<string, A | Error>> {
    const answers = new Map<string, A | Error>()
    const byNode = new Map<number, string[]>()
    const failed = await this.#locate(groupIds.filter(groupId => !this.#known.has(groupId)), { signal })
    for (const groupId of groupIds) {
      const nodeId = this.#known.get(groupId)
      if (nodeId === undefined) answers.set(groupId, failed.get(groupId) ?? leftOut('FindCoordinator', groupId))
      else {
        const others = byNode.get(nodeId)
        if (others === undefined) byNode.set(nodeId, [groupId])
        else others.push(groupId)
      }
    }
    await Promise.all([...byNode].map(async ([nodeId, groups]) => {
      for (const chunk of chunksOf(groups, most)) {
        const rows = await settledFor(chunk, signal, () => ask(nodeId, chunk))
        for (const groupId of chunk) {
          const answer = rows.get(groupId) ?? leftOut(`broker ${nodeId}`, groupId)
          answers.set(groupId, answer)
          if (answer instanceof Error && mayHaveMoved(answer)) this.#known.delete(groupId)
        }
      }
    }))
    return answers
  }

  /** Looks up who coordinates groups. Returns why that is not known, for those of which it is not. */
  async #locate (groupIds: readonly string[], { signal }: Signal): Promise<Map<string, Error>> {
    const failed = new Map<string, Error>()
    if (groupIds.length === 0) return failed
    const takesKeys = async (): Promise<boolean> => ((await this.#cluster.versionRange(FindCoordinator, 'any', { signal }))?.max ?? 0) >= COORDINATOR_KEYS_VERSION
    const most = await takesKeys().catch((error: unknown) => {
      throwIfAborted(signal)
      if (!(error instanceof Error)) throw error
      for (const groupId of groupIds) failed.set(groupId, error)
      return null
    })
    if (most === null) return failed
    for (const chunk of chunksOf(groupIds, most ? KEYS_PER_REQUEST : 1)) {
      const rows = await settledFor(chunk, signal, () => this.#find(chunk, { signal }))
      for (const groupId of chunk) {
        const row = rows.get(groupId) ?? leftOut('FindCoordinator', groupId)
        if (row instanceof Error) failed.set(groupId, row)
        else this.#known.set(groupId, row)
      }
    }
    // A coordinator may be a broker that came after our metadata.
    const brokers = this.#cluster.lastView?.brokers
    if (groupIds.some(groupId => this.#isStranger(groupId, brokers))) {
      await this.#cluster.refresh({ signal }).catch(() => {})
      throwIfAborted(signal)
    }
    return failed
  }

  #isStranger (groupId: string, brokers: ReadonlyMap<number, unknown> | undefined): boolean {
    const nodeId = this.#known.get(groupId)
    return nodeId !== undefined && brokers?.has(nodeId) !== true
  }

  async #find (groupIds: readonly string[], { signal }: Signal): Promise<Map<string, number | Error>> {
    const { body } = await this.#cluster.request(FindCoordinator, version => ({
      keyType: GROUP_KEY_TYPE, ...(version >= COORDINATOR_KEYS_VERSION ? { coordinatorKeys: [...groupIds] } : { key: groupIds[0] ?? '' })
    }), 'any', { signal, purpose: GROUPS_PURPOSE, timeoutMs: GROUP_REQUEST_TIMEOUT_MS })
    const rows = body.coordinators.length > 0 ? body.coordinators : [{ ...body, key: groupIds[0] ?? '' }]
    return new Map(rows.map(row => [row.key, coordinatorOf(row)]))
  }
}

type Row = Pick<ResponseOf<typeof FindCoordinator>['coordinators'][number], 'key' | 'nodeId' | 'errorCode' | 'errorMessage'>

function coordinatorOf ({ key, nodeId, errorCode, errorMessage }: Row): number | Error {
  return errorCode === ErrorCodes.NONE ? nodeId : new BrokerError(errorCode, `FindCoordinator ${key}`, errorMessage)
}

/** What `ask` answers; when it fails, that error for every group. */
async function settledFor<A> (groupIds: readonly string[], signal: AbortSignal, ask: () => Promise<ReadonlyMap<string, A | Error>>): Promise<ReadonlyMap<string, A | Error>> {
  try {
    return await ask()
  } catch (error) {
    throwIfAborted(signal)
    if (!(error instanceof Error)) throw error
    return new Map(groupIds.map(groupId => [groupId, error]))
  }
}

/** No answer at all may mean that the coordinator is another broker now. */
function mayHaveMoved (error: Error): boolean {
  return !(error instanceof BrokerError) || error.wireCode === ErrorCodes.NOT_COORDINATOR || error.wireCode === ErrorCodes.COORDINATOR_NOT_AVAILABLE
}

function leftOut (who: string, groupId: string): ShadowError {
  return new ShadowError('BROKER_ERROR', `${who} left group ${groupId} out of its answer`)
}

function * chunksOf<T> (items: readonly T[], most: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += most) yield items.slice(start, start + most)
}
