/** What consumer groups have committed on either side of a pair, and what an engine says of them. */
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { commitGroupOffsets, fetchGroupOffsets, type GroupPosition } from '../../src/client/admin/group-offsets.ts'
import { Coordinators } from '../../src/client/group/coordinators.ts'
import type { GroupStatus, TaskStatus } from '../../src/replication/link-service.ts'
import { literal, until, type RunningEngine, type ShadowPair } from './shadow-pair.ts'

const signal = new AbortController().signal
/** `consumer_offset_sync_options` for all groups, often. */
export const EVERY = { interval: '100ms', group_filters: literal('*') }

type Side = 'source' | 'shadow'

const clusterOf = (pair: ShadowPair, side: Side): ShadowPair['sourceCluster'] => side === 'source' ? pair.sourceCluster : pair.shadowCluster

/** Of partition 0 of topic `a`, if nothing else is said. */
export const position = (offset: number, input: Partial<GroupPosition> = {}): GroupPosition => ({ topic: 'a', partition: 0, offset, leaderEpoch: -1, metadata: '', ...input })

export async function commit (pair: ShadowPair, side: Side, groupId: string, ...positions: readonly GroupPosition[]): Promise<void> {
  const cluster = clusterOf(pair, side)
  const codes = await commitGroupOffsets(cluster, new Coordinators(cluster), groupId, positions, { signal, lane: 0 })
  for (const code of codes.values()) if (code !== ErrorCodes.NONE) throw new Error(`the ${side} refused a commit: ${code}`)
}

export async function committed (pair: ShadowPair, side: Side, groupId: string): Promise<readonly GroupPosition[]> {
  const cluster = clusterOf(pair, side)
  const answer = (await fetchGroupOffsets(cluster, new Coordinators(cluster), [groupId], { signal })).get(groupId)
  if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no answer')
  return answer
}

export async function untilCommitted (pair: ShadowPair, groupId: string, ...wanted: readonly GroupPosition[]): Promise<void> {
  let seen: readonly GroupPosition[] = []
  await until(`the shadow has the positions of ${groupId}`, async () => {
    seen = await committed(pair, 'shadow', groupId)
    return JSON.stringify(seen) === JSON.stringify(wanted)
  }).catch((error: unknown) => { throw new Error(`${String(error)}: ${JSON.stringify(seen)}`) })
}

export async function task (engine: RunningEngine): Promise<TaskStatus | undefined> {
  return (await engine.link())?.tasks.find(({ name }) => name === 'Consumer Group Shadowing')
}

export async function group (engine: RunningEngine, name: string): Promise<GroupStatus | undefined> {
  return (await engine.link())?.groups.find(status => status.name === name)
}

/** Waits for a run that began after this call. */
export async function untilSynced (engine: RunningEngine, name: string): Promise<void> {
  const from = new Date().toISOString()
  await until(`${name} was synced again`, async () => ((await group(engine, name))?.syncedAt ?? '') > from)
}
