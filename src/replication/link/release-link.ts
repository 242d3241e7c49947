/** The end of a link: everything that it shadows becomes the shadow cluster's own. */
import { ShadowError } from '../../errors.ts'
import type { Logger } from '../../observability/logger.ts'
import type { StateChange } from '../../state/records.ts'
import type { ShadowLink } from './shadow-link.ts'
import { within } from './within.ts'

const OPEN_TIMEOUT_MS = 60_000
/** Whoever forces a deletion does not wait for a schema registry that is gone. */
const FORCED_REGISTRY_TIMEOUT_MS = 10_000

/** What the records of the rest depend on: they tell whoever leads next that the link is open, and touches nothing any more. */
const LAST: ReadonlySet<StateChange['kind']> = new Set(['groups-settled', 'schema-registry', 'link', 'deletion'])

/**
 * Opens what the link shadows and lets go of the rest. Removes from the state topic what there is of its topics and tasks, and returns what
 * removes the link itself. All that can be ended half way, and be repeated: until the last of it the link is one that is failed over.
 * `at` is when it was asked for.
 * @throws {ShadowError} CONFLICT while something could not be opened or given back; the link is then still there
 */
export async function releaseLink (link: ShadowLink, { force, at, logger }: { readonly force: boolean, readonly at: string, readonly logger: Logger }): Promise<StateChange[]> {
  const { name, tasks: { groups, schemas, security } } = link
  // A topic that no link owns is writable: what makes that safe is the same as in a failover. It also ends the adoption of topics,
  // which must not be recorded after their removal.
  await link.orders.failover(null, { withSchemas: true })
  await within(OPEN_TIMEOUT_MS, link.failedOver(), `the topics of link ${name} are still failing over`)
  const [left] = link.unopened
  if (left !== undefined) throw new ShadowError('CONFLICT', `topic ${left.topic} of link ${name} is still ${left.record.state}: ${left.problem ?? 'the failover has not ended'}`)
  const shut = await schemas?.opened(force ? FORCED_REGISTRY_TIMEOUT_MS : OPEN_TIMEOUT_MS) ?? null
  const contexts = schemas?.status.contexts ?? []
  if (shut !== null && !force) throw new ShadowError('CONFLICT', `${shut}; its contexts (${contexts.join(', ')}) are in mode IMPORT still. Force the deletion to leave them so`)
  if (shut !== null) logger.warn({ link: name, contexts }, `${shut}; the link is deleted all the same, and the contexts stay in mode IMPORT until somebody sets them to READWRITE`)
  await security.release()
  const removals: readonly StateChange[] = [
    ...[...link.topics.keys()].map((topic): StateChange => ({ kind: 'topic', link: name, topic, value: null })),
    ...await groups.end(),
    ...schemas?.removals() ?? [],
    { kind: 'link', name, value: null },
    { kind: 'deletion', name, value: { at } }
  ]
  // Each by itself: as many of them as fit go together.
  await Promise.all(removals.filter(({ kind }) => !LAST.has(kind)).map(change => link.write([change])))
  return removals.filter(({ kind }) => LAST.has(kind))
}
