/**
 * Secrets in configurations: `${env:NAME}` and `${file:PATH}` stand for what the engine's host has there when it is needed. A link may
 * also be given a secret itself: links are records of the state topic, which whoever may read the topic can read, and so the engine
 * seals it first (secrets/link-secrets.ts).
 */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { messageOf, ShadowError } from '../errors.ts'

export type SecretReference =
  | { readonly kind: 'env', readonly name: string }
  | { readonly kind: 'file', readonly path: string }

const REFERENCE = /^\$\{(env|file):([^{}]+)\}$/
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** What a text refers to; null for one that is no reference. */
export function parseSecretReference (text: string): SecretReference | null {
  const [, kind, target = ''] = REFERENCE.exec(text) ?? []
  if (kind === 'env') return ENV_NAME.test(target) ? { kind, name: target } : null
  if (kind === 'file') return target.startsWith('/') ? { kind, path: target } : null
  return null
}

/** The text that `parseSecretReference` reads back. */
export function formatSecretReference (reference: SecretReference): string {
  return reference.kind === 'env' ? `\${env:${reference.name}}` : `\${file:${reference.path}}`
}

/** What is shown in place of a sealed secret. Given back in an update, it stands for the secret that is there. */
export const SEALED_PLACEHOLDER = '$' + '{sealed}'

const REFERENCE_START = '$' + '{'
const SEALED_START = `${REFERENCE_START}sealed:`
const MAX_SECRET_CHARACTERS = 65_536

/** True for what the engine has made of a secret; whether it can be opened is another question. */
export function isSealed (text: string): boolean {
  return text.startsWith(SEALED_START)
}

/** True for a secret itself: it must not be written down as it is. */
export function isPlainSecret (text: string): boolean {
  return text !== '' && !text.startsWith(REFERENCE_START)
}

/** What to write instead of a secret. */
export const EXPECTED_REFERENCE = `expected ${formatSecretReference({ kind: 'env', name: 'NAME' })} or ${formatSecretReference({ kind: 'file', path: '/PATH' })}, which the engine's host looks up when it needs it`

/** A secret of the file of `kshadow run`: only a reference to one, or nothing at all with `''`. */
export const secretReference: z.ZodType<string> = z.string({ error: EXPECTED_REFERENCE }).refine(text => text === '' || parseSecretReference(text) !== null, {
  error: `${EXPECTED_REFERENCE}. The secret itself is refused here`
})

const EXPECTED_SECRET = `${EXPECTED_REFERENCE}; or the secret itself, which must not begin with "${REFERENCE_START}"`

/** A secret of a link, in whatever form; `''` for none. */
export const linkSecret: z.ZodType<string> = z.string({ error: EXPECTED_SECRET })
  .refine(text => !text.startsWith(REFERENCE_START) || text === SEALED_PLACEHOLDER || isSealed(text) || parseSecretReference(text) !== null, { error: EXPECTED_SECRET })
  .refine(text => text.length <= MAX_SECRET_CHARACTERS, { error: `expected a secret of at most ${MAX_SECRET_CHARACTERS} characters` })
  // Half a surrogate pair would come back as something else.
  .refine(text => Buffer.from(text, 'utf8').toString('utf8') === text, { error: 'expected a text of whole characters' })

/** A text that is no secret, or a reference to where it is. */
export const textOrReference: z.ZodType<string> = z.string({ error: `expected a text, or ${EXPECTED_REFERENCE.slice('expected '.length)}` })
  .refine(text => text !== '' && (!text.startsWith('${') || parseSecretReference(text) !== null), { error: `expected a text, or ${EXPECTED_REFERENCE.slice('expected '.length)}` })

/**
 * What a text stands for on this host, now: a secret that was changed counts from the next time on. A line break at the end of a file
 * is left out. A text that is no reference stands for itself.
 * @throws {ShadowError} SETTING_NEEDED where the host does not have it; the message names the reference, never what is there
 */
export async function resolveText (text: string): Promise<string> {
  const reference = parseSecretReference(text)
  if (reference === null) return text
  const missing = (why: string): ShadowError => new ShadowError('SETTING_NEEDED', `${text} cannot be looked up on the engine's host: ${why}`, { details: { setting: text } })
  if (reference.kind === 'env') {
    const value = process.env[reference.name]
    if (value === undefined || value === '') throw missing('there is no such environment variable')
    return value
  }
  let content: string
  try {
    content = await readFile(reference.path, 'utf8')
  } catch (error) {
    throw missing(messageOf(error))
  }
  const value = content.replace(/\r?\n$/, '')
  if (value === '') throw missing('the file is empty')
  return value
}
