/** What an engine does about the keys that secrets of links are sealed with: at its start, and when it begins to lead. */
import type { LinkSecrets } from '../config/secrets/link-secrets.ts'
import { messageOf } from '../errors.ts'
import { abortedWithin, orAborted, throwIfAborted } from '../net/abort.ts'
import type { Logger } from '../observability/logger.ts'
import type { LinkRecord, StateChange } from '../state/records.ts'

/** A file system that hangs must not keep an engine from leading. */
const KEY_FILE_MS = 3000

/** Says in the log which keys there are, and which secrets could not be opened here: before this engine is needed. */
export async function lookAtSecrets (secrets: LinkSecrets, records: readonly LinkRecord[], logger: Logger): Promise<void> {
  try {
    const file = await secrets.keys()
    if (file !== null) logger.info({ keyIds: file.keys.map(({ id }) => id) }, `secrets of links are sealed with key ${file.keys[0].id}`)
    if (file !== null && file.warning !== null) logger.warn(file.warning)
  } catch (error) {
    logger.error({ err: error }, messageOf(error))
  }
  for (const record of records) {
    for (const problem of await secrets.problems(record)) logger.error({ link: record.config.name }, `if this engine led now: ${problem}`)
  }
}

/**
 * Seals what was sealed with another key than the first of the key file with that one, and returns the record as it is then. What cannot
 * be done is left as it is: the key that it needs may be put back.
 * @throws {ShadowError} ABORTED
 */
export async function renewSecrets (record: LinkRecord, { secrets, write, signal, logger }: {
  readonly secrets: LinkSecrets
  readonly write: (changes: readonly StateChange[]) => Promise<unknown>
  readonly signal: AbortSignal
  readonly logger: Logger
}): Promise<LinkRecord> {
  const { name } = record.config
  try {
    const config = await orAborted(secrets.renewed(record), abortedWithin(signal, KEY_FILE_MS))
    if (config === null) return record
    const renewed = { ...record, config }
    await write([{ kind: 'link', name, value: renewed }])
    logger.info({ link: name }, `the secrets of link ${name} are sealed with the first key of the key file now`)
    return renewed
  } catch (error) {
    throwIfAborted(signal)
    logger.warn({ link: name, err: error }, `the secrets of link ${name} stay sealed as they were: ${messageOf(error)}`)
    return record
  }
}
