/** The end of a link: everything that it shadows becomes the shadow cluster's own. */
import { ShadowError } from '../../errors.ts'
import type { Logger } from '../../observability/logger.ts'
import type { StateChange } from '../../state/records.ts'
import type { ShadowLink } from './shadow-link.ts'
import { within } from './within.ts'

const OPEN_TIMEOUT_MS = 60_000
/** Whoever forces a deletion does not wait for a schema registry that is gone. */
const FORCED_REGISTRY_TIMEOUT_MS = 10_000

/**
 * Opens what the link shadows and lets go of the rest. Returns what removes it from the state topic; `at` is when it was asked for.
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
  return [
    ...await groups.end(),
    ...[...link.topics.keys()].map((topic): StateChange => ({ kind: 'topic', link: name, topic, value: null })),
    ...schemas?.removals() ?? [],
    { kind: 'link', name, value: null },
    { kind: 'deletion', name, value: { at } }
  ]
}
