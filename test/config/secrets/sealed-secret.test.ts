import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { openSecret, parseSealedSecret, sealSecret, type SealedSecret, type SecretPlace } from '../../../src/config/secrets/sealed-secret.ts'
import type { SecretKey } from '../../../src/config/secrets/secret-keys.ts'

const PLACE: SecretPlace = { link: 'dr', uid: 'u-1', field: 'a.password', sentTo: 'https://registry:8081' }
const key = (id = '0123abcd'): SecretKey => ({ id, bytes: randomBytes(32) })

function parsed (text: string): SealedSecret {
  const sealed = parseSealedSecret(text)
  if (sealed === null) throw new Error(`not sealed: ${text}`)
  return sealed
}

test('whatever the secret is, it comes back as it was, and is not to be seen', async t => {
  fc.assert(fc.property(fc.string({ minLength: 1, unit: 'binary' }), fc.string(), (secret, field) => {
    const one = key()
    const place = { ...PLACE, field }
    const [first, second] = [sealSecret(secret, one, place), sealSecret(secret, one, place)]
    return first !== second && /^\$\{sealed:v1:0123abcd:[\w-]+\}$/.test(first) && openSecret(parsed(first), one, place) === secret && openSecret(parsed(second), one, place) === secret
  }))
  const sealed = sealSecret('hunter2-is-the-secret', key(), PLACE)
  t.notMatch(Buffer.from(sealed.split(':')[3] ?? '', 'base64url').toString('latin1'), /hunter2/)
})

test('every sealing has an iv of its own', async t => {
  const one = key()
  const ivs = new Set(Array.from({ length: 1000 }, () => parsed(sealSecret('x', one, PLACE)).iv.toString('hex')))
  t.equal(ivs.size, 1000)
  t.equal([...ivs][0]?.length, 24)
})

test('with another key, or at another place, it does not open', async t => {
  const one = key()
  const sealed = parsed(sealSecret('hunter2', one, PLACE))
  t.equal(openSecret(sealed, one, PLACE), 'hunter2')
  t.equal(openSecret(sealed, key(), PLACE), null)
  for (const other of [{ link: 'other' }, { uid: 'u-2' }, { field: 'a.key' }, { sentTo: 'https://evil:8081' }, { sentTo: null }]) t.equal(openSecret(sealed, one, { ...PLACE, ...other }), null, JSON.stringify(other))
})

test('no bit of it can be changed, and nothing be cut off or added', async t => {
  const one = key()
  const text = sealSecret('hunter2', one, PLACE)
  const start = text.slice(0, text.lastIndexOf(':') + 1)
  const bytes = Buffer.from(text.slice(start.length, -1), 'base64url')
  const opened = (changed: Buffer): string | null => {
    const sealed = parseSealedSecret(`${start}${changed.toString('base64url')}}`)
    return sealed === null ? null : openSecret(sealed, one, PLACE)
  }
  t.equal(opened(bytes), 'hunter2')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes)
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    t.equal(opened(changed), null, `bit ${bit}`)
  }
  for (let length = 0; length < bytes.length; length++) t.equal(opened(bytes.subarray(0, length)), null, `${length} bytes`)
  t.equal(opened(Buffer.concat([bytes, Buffer.alloc(1)])), null)
})

test('what is not written as this version writes it is none', async t => {
  const text = sealSecret('hunter2', key(), PLACE)
  for (const other of ['', 'hunter2', text.slice(1), `${text} `, text.replace(':v1:', ':v2:'), text.replace('0123abcd', '0123ABCD'), text.replace(/:[^:]*\}$/, ':AAAA}'), text.replace('}', '=}')]) t.equal(parseSealedSecret(other), null, other)
  // The last character of these 35 bytes has two bits that stand for nothing.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const [body, last] = [text.slice(0, -2), text.at(-2) ?? '']
  const alias = `${body}${alphabet[alphabet.indexOf(last) + 1] ?? ''}}`
  t.same(Buffer.from(alias.slice(alias.lastIndexOf(':') + 1, -1), 'base64url'), Buffer.from(text.slice(text.lastIndexOf(':') + 1, -1), 'base64url'))
  t.equal(parseSealedSecret(alias), null, 'one text only stands for the same bytes')
})
