/**
 * A secret as it lies in the state topic: `${sealed:v1:KEYID:DATA}`, AES-256-GCM, DATA being base64url of the iv (12 bytes), the tag (16)
 * and the ciphertext. What it belongs to is authenticated with it: elsewhere it does not open.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { SecretKey } from './secret-keys.ts'

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16
const SEALED = /^\$\{sealed:v1:([0-9a-f]{8}):([A-Za-z0-9_-]+)\}$/

/** Which secret of which link a sealed one is. */
export interface SecretPlace {
  readonly link: string
  readonly uid: string
  /** Its path in the link's document. */
  readonly field: string
  /** The value of the field that says whom it is sent to; null where it is sent to nobody. */
  readonly sentTo: string | null
}

export interface SealedSecret {
  /** See SecretKey.id. */
  readonly keyId: string
  readonly iv: Buffer
  readonly tag: Buffer
  readonly data: Buffer
}

/** With a new iv every time: the same secret never looks the same. */
export function sealSecret (secret: string, key: SecretKey, place: SecretPlace): string {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, key.bytes, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(placeBytes(place))
  const data = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
  return `\${sealed:v1:${key.id}:${Buffer.concat([iv, cipher.getAuthTag(), data]).toString('base64url')}}`
}

/** Null for a text that is none, or none of a version that is known here. */
export function parseSealedSecret (text: string): SealedSecret | null {
  const [, keyId = '', encoded = ''] = SEALED.exec(text) ?? []
  const bytes = Buffer.from(encoded, 'base64url')
  // One text only stands for the same bytes.
  if (bytes.length <= IV_BYTES + TAG_BYTES || bytes.toString('base64url') !== encoded) return null
  return { keyId, iv: bytes.subarray(0, IV_BYTES), tag: bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES), data: bytes.subarray(IV_BYTES + TAG_BYTES) }
}

/** Null where it was altered, is of another place, or was sealed with another key. */
export function openSecret ({ iv, tag, data }: SealedSecret, key: SecretKey, place: SecretPlace): string | null {
  const decipher = createDecipheriv(CIPHER, key.bytes, iv, { authTagLength: TAG_BYTES })
  decipher.setAAD(placeBytes(place))
  decipher.setAuthTag(tag)
  try {
    return Buffer.concat([decipher.update(data), decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}

function placeBytes ({ link, uid, field, sentTo }: SecretPlace): Buffer {
  return Buffer.from(JSON.stringify(['kafka-shadow secret of a link', 1, link, uid, field, sentTo]))
}
