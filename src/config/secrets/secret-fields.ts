/** Which values of a link's document are secrets. Whatever handles them goes by this list. */
import { REGISTRY_SECRETS } from '../link/registry-endpoint.ts'
import { isPlainSecret, isSealed, SEALED_PLACEHOLDER } from '../secret.ts'

/** The section of a link that names the source's schema registry. */
export const SCHEMA_API = 'schema_registry_sync_options.shadow_schema_registry_api'

export interface SecretField {
  /** Its path in the document. */
  readonly field: string
  /** The path of what says whom the secret is sent to: with another value there it has to be given anew. Null for one that never leaves the host. */
  readonly sentTo: string | null
}

export const SECRET_FIELDS: readonly SecretField[] = [
  { field: `${SCHEMA_API}.${REGISTRY_SECRETS.password}`, sentTo: `${SCHEMA_API}.source_url` },
  { field: `${SCHEMA_API}.${REGISTRY_SECRETS.key}`, sentTo: null }
]

export type LinkDocument = Readonly<Record<string, unknown>>

/** The text at a path; null where there is none, or none but `''`. */
export function textAt (document: LinkDocument, path: string): string | null {
  let value: unknown = document
  for (const step of path.split('.')) value = isMap(value) && Object.hasOwn(value, step) ? value[step] : undefined
  return typeof value === 'string' && value !== '' ? value : null
}

/** The fields that have a secret itself, neither sealed nor a reference. */
export function plainSecretsOf (document: LinkDocument): string[] {
  return SECRET_FIELDS.filter(({ field }) => isPlainSecret(textAt(document, field) ?? '')).map(({ field }) => field)
}

/** The document with other texts in the fields of secrets that there are. */
export function withSecrets (document: LinkDocument, change: (text: string, field: SecretField) => string): Record<string, unknown> {
  return SECRET_FIELDS.reduce<Record<string, unknown>>((changed, field) => {
    const text = textAt(changed, field.field)
    return text === null ? changed : withText(changed, field.field.split('.'), change(text, field))
  }, { ...document })
}

/** The document as it may be shown: references stay, every secret is a placeholder. */
export function withoutSecrets (document: LinkDocument): Record<string, unknown> {
  return withSecrets(document, text => isSealed(text) || isPlainSecret(text) ? SEALED_PLACEHOLDER : text)
}

function withText (map: LinkDocument, [key = '', ...way]: readonly string[], text: string): Record<string, unknown> {
  const inner = map[key]
  return { ...map, [key]: way.length === 0 || !isMap(inner) ? text : withText(inner, way, text) }
}

function isMap (value: unknown): value is LinkDocument {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
