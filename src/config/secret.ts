/**
 * Secrets in configurations: `${env:NAME}` and `${file:PATH}` stand for what the engine's host has there when it is needed. A secret
 * itself is refused: links are records of the state topic, which whoever may read the topic can read.
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

const EXPECTED = `expected ${formatSecretReference({ kind: 'env', name: 'NAME' })} or ${formatSecretReference({ kind: 'file', path: '/PATH' })}, which the engine's host looks up when it needs it`

/** A secret: only a reference to one. */
export const secretReference: z.ZodType<string> = z.string({ error: EXPECTED }).refine(text => parseSecretReference(text) !== null, {
  error: `${EXPECTED}. The secret itself is refused: whoever may read the state topic could read it there`
})

/** A text that is no secret, or a reference to where it is. */
export const textOrReference: z.ZodType<string> = z.string({ error: `expected a text, or ${EXPECTED.slice('expected '.length)}` })
  .refine(text => text !== '' && (!text.startsWith('${') || parseSecretReference(text) !== null), { error: `expected a text, or ${EXPECTED.slice('expected '.length)}` })

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
