import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { parseKeys, readKeyFile } from '../../../src/config/secrets/secret-keys.ts'

const BYTES = [Buffer.alloc(32, 'first'), Buffer.alloc(32, 'second')] as const
const HEX = BYTES[0].toString('hex')
const BASE64 = BYTES[1].toString('base64')

test('keys are 32 bytes each, in hexadecimal digits or base64, and the first seals', async t => {
  const keys = parseKeys(`# made in May\n\n  ${HEX.toUpperCase()}\r\n${BASE64}\n`)
  if (typeof keys === 'string') throw new Error(keys)
  t.same(keys.map(({ bytes }) => bytes.toString('latin1')), BYTES.map(bytes => bytes.toString('latin1')))
  for (const { id } of keys) t.match(id, /^[0-9a-f]{8}$/)
  t.not(keys[0].id, keys[1]?.id)
  const alone = parseKeys(BYTES[1].toString('hex'))
  t.equal(typeof alone === 'string' ? null : alone[0].id, keys[1]?.id, 'a key has its id wherever it stands, and however it is written')
})

test('what is no key is refused by its line, and not repeated', async t => {
  const cases: ReadonlyArray<readonly [string, RegExp]> = [
    ['', /^there is no key in it$/],
    ['# nothing\n', /^there is no key in it$/],
    [`${HEX}\nhunter2`, /^line 2: expected a key of 32 bytes, as 64 hexadecimal digits \(openssl rand -hex 32\) or 44 characters of base64$/],
    [HEX.slice(1), /^line 1: expected a key/],
    [`${HEX}0`, /^line 1: expected a key/],
    [`${HEX} ${HEX}`, /^line 1: expected a key/],
    [BASE64.slice(0, -1), /^line 1: expected a key/],
    [Buffer.alloc(31, 'x').toString('base64'), /^line 1: expected a key/],
    [Buffer.alloc(33, 'x').toString('base64'), /^line 1: expected a key/],
    [`${HEX}\n\n${BYTES[0].toString('base64')}`, /^line 3: this key is there twice$/],
    ['\u0000\u0001', /^line 1: expected a key/]
  ]
  for (const [text, expected] of cases) {
    const refusal = parseKeys(text)
    if (typeof refusal !== 'string') throw new Error(`taken for a key: ${text}`)
    t.match(refusal, expected)
    for (const word of text.split(/\s+/).filter(({ length }) => length > 5)) t.notOk(refusal.includes(word))
  }
})

test('a file of our own that others can use is refused, as ssh does it', async t => {
  const path = join(t.testdir(), 'secret.key')
  await writeFile(path, `${HEX}\n`, { mode: 0o600 })
  t.match(await readKeyFile(path), { keys: [{ bytes: BYTES[0] }], warning: null })
  for (const mode of [0o640, 0o604, 0o620, 0o601, 0o644]) {
    await chmod(path, mode)
    await t.rejects(readKeyFile(path), { code: 'SETTING_NEEDED', message: `secrets.key_file ${path} cannot be used: others than its owner may use it (mode 0${mode.toString(8)}); give the command: chmod 600 ${path}` })
  }
  await chmod(path, 0o400)
  t.match(await readKeyFile(path), { warning: null })
})

test('a file that cannot be read, or is none, is refused in words', async t => {
  const directory = t.testdir()
  await t.rejects(readKeyFile(join(directory, 'nothing')), { code: 'SETTING_NEEDED', message: /nothing cannot be used: ENOENT/ })
  await mkdir(join(directory, 'folder'))
  await t.rejects(readKeyFile(join(directory, 'folder')), { code: 'SETTING_NEEDED', message: /folder cannot be used: it is not a file/ })
  await writeFile(join(directory, 'large'), Buffer.alloc(64 * 1024 + 1, '#'), { mode: 0o600 })
  await t.rejects(readKeyFile(join(directory, 'large')), { code: 'SETTING_NEEDED', message: /more than 65536 bytes/ })
  await writeFile(join(directory, 'password'), 'hunter2', { mode: 0o600 })
  const refusal = await readKeyFile(join(directory, 'password')).catch((error: unknown) => error)
  t.match(refusal, { code: 'SETTING_NEEDED', message: /password cannot be used: line 1: expected a key/ })
  t.notMatch(String(refusal), /hunter2/)
})
