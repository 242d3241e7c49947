/**
 * The secrets of links on an engine's host: sealed before a link is written down, opened when they are used. The key file is read each
 * time, so that a key that was put right counts at once.
 */
import { isDeepStrictEqual } from 'node:util'
import { ConfigError, type ConfigProblem } from '../config-error.ts'
import { linkDocument, parseLinkDocument, type LinkConfig } from '../link-config.ts'
import { EXPECTED_REFERENCE, isPlainSecret, isSealed, resolveText, SEALED_PLACEHOLDER } from '../secret.ts'
import { messageOf, ShadowError } from '../../errors.ts'
import { openSecret, parseSealedSecret, sealSecret, type SecretPlace } from './sealed-secret.ts'
import { plainSecretsOf, SECRET_FIELDS, textAt, withSecrets, type LinkDocument, type SecretField } from './secret-fields.ts'
import { readKeyFile, type KeyFile, type SecretKeys } from './secret-keys.ts'

/** A link, as far as its secrets are concerned. */
export interface SecretOwner {
  readonly uid: string
  readonly config: LinkConfig
}

/** What the text of a field stands for, now; `field` is its path in the section. */
export type SecretLookup = (text: string, field: string) => Promise<string>

/** Why a secret itself is refused where there is no key to seal it with. */
const NO_KEY_FILE = `${EXPECTED_REFERENCE}. A secret itself is stored only where it can be sealed: set secrets.key_file in the file of kshadow run`

export class LinkSecrets {
  readonly #path: string | null

  /** `keyFile` is the path of the key file; null where there is none. */
  constructor (keyFile: string | null) {
    this.#path = keyFile
  }

  /** The keys that there are, for the log; null without a key file. @throws {ShadowError} SETTING_NEEDED */
  async keys (): Promise<KeyFile | null> {
    return this.#path === null ? null : await readKeyFile(this.#path)
  }

  /**
   * Takes the configuration that somebody gave: a secret itself is sealed, and a placeholder becomes what the link has there in `before`,
   * which is null for a link that is new. A secret that is the same as before stays as it is.
   * @throws {ConfigError} naming the fields that are not possible; {ShadowError} SETTING_NEEDED where the key file cannot be used
   */
  async accept ({ uid, config }: SecretOwner, before: LinkConfig | null): Promise<LinkConfig> {
    const document = linkDocument(config)
    const known = before === null ? null : linkDocument(before)
    const problems = refusedSecrets(document, { known, canSeal: this.#path !== null })
    if (problems.length > 0) throw new ConfigError('link', problems)
    const keys = plainSecretsOf(document).length > 0 ? await this.#keys() : null
    return parseLinkDocument(withSecrets(document, (text, field) => {
      const old = known === null ? null : textAt(known, field.field)
      if (text === SEALED_PLACEHOLDER) return old ?? text
      if (keys === null || !isPlainSecret(text)) return text
      const place = placeOf(field, { uid, name: config.name, document })
      return old !== null && open(old, keys, place) === text ? old : sealSecret(text, keys[0], place)
    }), 'link')
  }

  /** The configuration with all that was sealed with another key than the first sealed with that one; null where there is nothing to do, or it cannot be done. */
  async renewed ({ uid, config }: SecretOwner): Promise<LinkConfig | null> {
    const document = linkDocument(config)
    if (this.#path === null || !SECRET_FIELDS.some(({ field }) => isSealed(textAt(document, field) ?? ''))) return null
    const keys = await this.#keys().catch(() => null)
    if (keys === null) return null
    const renewed = withSecrets(document, (text, field) => {
      if (parseSealedSecret(text)?.keyId === keys[0].id) return text
      const place = placeOf(field, { uid, name: config.name, document })
      const secret = open(text, keys, place)
      return secret === null ? text : sealSecret(secret, keys[0], place)
    })
    return isDeepStrictEqual(renewed, document) ? null : parseLinkDocument(renewed, 'link')
  }

  /** How the secrets of one section of a link are looked up. */
  lookUp ({ uid, config }: SecretOwner, section: string): SecretLookup {
    const document = linkDocument(config)
    return async (text, name) => {
      const field = SECRET_FIELDS.find(candidate => candidate.field === `${section}.${name}`)
      if (field === undefined || (!isSealed(text) && text !== SEALED_PLACEHOLDER)) return await resolveText(text)
      return await this.#open(text, placeOf(field, { uid, name: config.name, document }))
    }
  }

  /** Why secrets of a link cannot be opened here, one by one. */
  async problems ({ uid, config }: SecretOwner): Promise<string[]> {
    const document = linkDocument(config)
    const problems = SECRET_FIELDS.map(async field => {
      const text = textAt(document, field.field) ?? ''
      if (!isSealed(text)) return null
      return await this.#open(text, placeOf(field, { uid, name: config.name, document })).then(() => null, messageOf)
    })
    return (await Promise.all(problems)).filter(problem => problem !== null)
  }

  async #keys (): Promise<SecretKeys | null> {
    return (await this.keys())?.keys ?? null
  }

  /** @throws {ShadowError} SETTING_NEEDED */
  async #open (text: string, place: SecretPlace): Promise<string> {
    const { field, link } = place
    const sealed = parseSealedSecret(text)
    const refuse = (why: string, cause?: unknown): ShadowError => new ShadowError('SETTING_NEEDED', `${field} of link ${link}${sealed === null ? '' : ` is sealed with key ${sealed.keyId}, and`} ${why}`, {
      details: { setting: field }, ...(cause === undefined ? {} : { cause })
    })
    if (sealed === null) throw refuse('is sealed in a way that this version does not know; give the secret again: kshadow update')
    if (this.#path === null) throw refuse('this engine has no keys: set secrets.key_file in the file of kshadow run')
    const keys = await this.#keys().catch((error: unknown) => { throw refuse(messageOf(error), error) }) ?? []
    const key = keys.find(({ id }) => id === sealed.keyId)
    if (key === undefined) throw refuse(`${this.#path} has ${keys.length === 1 ? 'another one' : 'others'} (${keys.map(({ id }) => id).join(', ')}): add the key to the file, or give the secret again: kshadow update`)
    const secret = openSecret(sealed, key, place)
    if (secret === null) throw refuse('does not open: it was altered, or belongs to another place. Give the secret again: kshadow update')
    return secret
  }
}

/**
 * The secrets of a link's document that cannot be taken as they are given. `known` is the document that the link has, null where it is new;
 * `canSeal` says whether there is a key file.
 */
export function refusedSecrets (document: LinkDocument, { known, canSeal }: { readonly known: LinkDocument | null, readonly canSeal: boolean }): ConfigProblem[] {
  const refusal = ({ field, sentTo }: SecretField, text: string): string | null => {
    if (isPlainSecret(text)) return canSeal ? null : NO_KEY_FILE
    if (isSealed(text)) return `${EXPECTED_REFERENCE}; or the secret itself. What was sealed opens only where it is`
    if (text !== SEALED_PLACEHOLDER) return null
    const meaning = `${SEALED_PLACEHOLDER} stands for the secret that the link has here`
    if (known === null) return `${meaning}, and a link that is new has none: give the secret`
    if (!isSealed(textAt(known, field) ?? '')) return `${meaning}, and it has none: give the secret`
    return sentTo === null || textAt(known, sentTo) === textAt(document, sentTo) ? null : `${meaning}, which was given for another ${sentTo.replace(/^.*\./, '')}: give it again`
  }
  return SECRET_FIELDS.flatMap(field => {
    const text = textAt(document, field.field)
    const expected = text === null ? null : refusal(field, text)
    return expected === null ? [] : [{ key: field.field, line: null, value: '<redacted>', expected }]
  })
}

/** Null for what is not sealed, or cannot be opened. */
function open (text: string, keys: SecretKeys, place: SecretPlace): string | null {
  const sealed = parseSealedSecret(text)
  const key = keys.find(({ id }) => id === sealed?.keyId)
  return sealed === null || key === undefined ? null : openSecret(sealed, key, place)
}

function placeOf ({ field, sentTo }: SecretField, { uid, name, document }: { readonly uid: string, readonly name: string, readonly document: LinkDocument }): SecretPlace {
  return { link: name, uid, field, sentTo: sentTo === null ? null : textAt(document, sentTo) }
}
