/** What is done about records that an engine wrote which had been replaced: see LinkState.fenced. */
import { decodeRecord } from '../state/records.ts'
import type { LinkState } from '../state/link-state.ts'
import type { Reign } from './reign.ts'

/** Writes a key again, as it is known to who leads. */
export async function rewriteFenced (key: string, { reign, state, exclusively }: {
  readonly reign: Reign
  readonly state: LinkState | null
  /** Not while links are created or deleted, or a removal might be written after the creation that it does not know of. */
  readonly exclusively: (work: () => Promise<void>) => Promise<void>
}): Promise<void> {
  const { change } = decodeRecord(key, null)
  if (change.kind === 'audit') {
    await reign.writer.write([{ ...change, value: state?.audit.get(change.slot) ?? null }]).catch(() => {})
    return
  }
  // Who leads writes these anew in any case.
  if (change.kind === 'engine' || change.kind === 'shadow-leader') return
  if (change.kind === 'deletion') {
    await exclusively(async () => { await reign.writer.write([{ ...change, value: state?.deletions.get(change.name) ?? null }]) })
    return
  }
  const name = change.kind === 'link' ? change.name : change.link
  await exclusively(async () => {
    const link = reign.links.get(name)?.link
    if (link === undefined) await reign.writer.write([change])
    else if (change.kind === 'security') await link.tasks.security.rewrite(change.id)
    else if (change.kind === 'schema-registry' || change.kind === 'schema-subject') await (link.tasks.schemas?.rewrite(change.kind === 'schema-subject' ? change.subject : null) ?? reign.writer.write([change]))
    else if (change.kind === 'groups' || change.kind === 'groups-settled') await link.tasks.groups.rewrite(change.kind === 'groups' ? change.shard : null)
    else await link.rewrite(change.kind === 'topic' ? change.topic : null)
  })
}
