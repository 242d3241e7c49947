/**
 * The mode of the shadow's contexts. While schemas are copied they are in IMPORT, so that ids are kept and nobody else gives any out;
 * when the registry is given back, they are set to READWRITE.
 */
import { ShadowError } from '../../../../errors.ts'
import type { Logger } from '../../../../observability/logger.ts'
import { IMPORT, READONLY_MODES, READWRITE, type RegistryApi } from './registry-api.ts'
import type { SchemaLedger } from './schema-ledger.ts'
import { contextScope } from './subject-name.ts'

/**
 * Makes sure that a context is in IMPORT. Always forced: see registry-api.ts, 6.
 * @throws {ShadowError} CONFLICT where somebody made it read-only
 */
export async function ensureImport (context: string, { shadow, ledger, logger, signal }: { readonly shadow: RegistryApi, readonly ledger: SchemaLedger, readonly logger: Logger, readonly signal: AbortSignal }): Promise<void> {
  const scope = contextScope(context)
  const mode = await shadow.mode(scope, signal)
  if (mode !== null && READONLY_MODES.includes(mode)) {
    throw new ShadowError('CONFLICT', `context ${context} of the shadow registry is ${mode}, which somebody set: nothing is copied to it until it is READWRITE again`)
  }
  const isOurs = ledger.registry.contexts.includes(context)
  if (mode === IMPORT && isOurs) return
  if (isOurs) logger.warn({ context, mode }, `somebody took context ${context} of the shadow registry out of IMPORT: setting it again`)
  await ledger.claimContext(context)
  if (mode === IMPORT) return
  await shadow.setMode(scope, IMPORT, signal)
  const set = await shadow.mode(scope, signal)
  if (set !== IMPORT) throw new ShadowError('CONFLICT', `context ${context} of the shadow registry was set to IMPORT, and says that it is ${set ?? 'in no mode of its own'}`)
}

/**
 * Gives the registry back: subjects that are read-only on the source are so here from now on, and every context that was in IMPORT for
 * the link can be written to. Can be repeated.
 * @throws {RegistryError}; {ShadowError} CONFLICT where a context does not become writable
 */
export async function openRegistry ({ shadow, ledger, signal }: { readonly shadow: RegistryApi, readonly ledger: SchemaLedger, readonly signal: AbortSignal }): Promise<void> {
  for (const { subject, mode } of ledger.subjects.values()) if (mode !== null && mode !== IMPORT) await shadow.setMode(subject, mode, signal)
  for (const context of ledger.registry.contexts) {
    const scope = contextScope(context)
    await shadow.setMode(scope, READWRITE, signal)
    const set = await shadow.mode(scope, signal)
    if (set !== READWRITE) throw new ShadowError('CONFLICT', `context ${context} of the shadow registry was set to READWRITE, and says that it is ${set ?? 'in no mode of its own'}`)
  }
}
