import { test } from 'tap'
import { z } from 'zod'
import { ConfigError } from '../../src/config/config-error.ts'
import { parseValue, parseYaml } from '../../src/config/document.ts'
import { formatDuration, parseDuration } from '../../src/config/duration.ts'
import { nodeIdIndex, nodeIds, parseNodeIds } from '../../src/config/node-ids.ts'

const schema = z.strictObject({
  name: z.string({ error: 'expected a name' }),
  list: z.array(z.strictObject({ size: z.number({ error: 'expected a number' }) }, { error: 'expected a size' })).optional(),
  tls: z.strictObject({ key: z.number({ error: 'expected a number' }), key_file: z.string({ error: 'expected a path' }) }).optional(),
  password: z.number({ error: 'expected a number' }).optional(),
  login: z.strictObject({ user: z.string() }, { error: 'expected a user' }).optional()
})

/** What a text was refused with. */
function refusalOf (action: () => unknown): ConfigError {
  try {
    action()
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('not refused')
}

const refusal = (text: string): ConfigError => refusalOf(() => parseYaml(text, 'file.yaml', schema))

test('every problem is told, with key, line, value and what was expected', async t => {
  const error = refusal(`
name: 5
list:
  - size: 1
  - size: many
    colour: red
  - 7
`)
  t.equal(error.code, 'CONFIG_INVALID')
  t.notOk(error.retriable)
  t.equal(error.message, [
    'file.yaml:2: name: 5: expected a name',
    'file.yaml:5: list[1].size: "many": expected a number',
    'file.yaml:6: list[1].colour: unknown key',
    'file.yaml:7: list[2]: 7: expected a size'
  ].join('\n'))
  t.strictSame(error.problems[1], { key: 'list[1].size', line: 5, value: '"many"', expected: 'expected a number' })
  t.strictSame(error.details, { source: 'file.yaml', key: 'name' })
})

test('what is not there has the line of what it should be in', async t => {
  t.equal(refusal('# nothing\nlist: []\n').message, 'file.yaml:2: name: expected a name')
  t.match(refusal('').problems, [{ key: '', line: null, value: 'null' }])
})

test('a value without lines names its source', async t => {
  t.equal(refusalOf(() => parseValue({ name: 1 }, 'request body', schema)).message, 'request body: name: 1: expected a name')
  t.strictSame(parseValue({ name: 'a' }, 'request body', schema), { name: 'a' })
})

test('no secret is repeated, wherever it stands', async t => {
  const texts = [
    'name: a\npassword: hunter2',
    'name: a\npassword: [hunter2]',
    'name: a\ntls: { key: hunter2, key_file: a }',
    'name: a\nlogin: { password: hunter2 }',
    'name: a\nlogin: [{ password: hunter2 }]',
    'name: { password: hunter2 }',
    'name: [hunter2]',
    // A password that is not in quotes may mean something else to YAML.
    'name: a\npassword: *hunter2',
    'name: a\npassword: !hunter2',
    'name: a\npassword: !hunter2 x',
    'name: a\npassword: &hunter2 *hunter2',
    'name: a\npassword: @hunter2',
    'name: a\npassword: `hunter2`',
    'name: a\npassword: %hunter2',
    'name: a\npassword: "hunter2',
    'name: a\npassword: "hunter2" hunter2',
    'name: a\npassword: {hunter2',
    'name: a\npassword: }hunter2',
    'name: a\npassword: ]hunter2',
    'name: a\npassword: hunter2: hunter2',
    'name: a\npassword: |hunter2',
    'name: a\npassword:\n\thunter2',
    'name: a\npassword: x\nhunter2',
    'name: a\n  hunter2\n hunter2: x',
    '%hunter2\n---\nname: a\npassword: x',
    'name: a\n---\nhunter2',
    'name: a\npassword: !hunter2! x',
    'name: a\npassword: !hunter2!x x',
    'name: a\npassword: !<hunter2 x',
    'name: a\npassword: "\\hunter2"',
    'name: a\npassword: &a &hunter2 x',
    'name: a\npassword: >hunter2'
  ]
  for (const text of texts) {
    const error = refusal(text)
    t.notMatch(`${error.message} ${JSON.stringify(error.details)} ${JSON.stringify(error.problems)}`, /hunter2/, text)
    t.ok(error.problems.length > 0, text)
  }
  t.equal(refusal('name: a\npassword: hunter2').message, 'file.yaml:2: password: <redacted>: expected a number')
})

test('a long value is cut', async t => {
  const [problem] = refusal(`name: a\nlist: [{ size: ${'x'.repeat(500)} }]`).problems
  t.equal(problem?.value?.length, 80)
  t.ok(problem?.value?.endsWith('...'))
})

test('texts that are no YAML, or mean harm, are refused with a reason', async t => {
  const refused: Array<[string, RegExp]> = [
    ['name: [', /^file\.yaml:1: not YAML: /],
    ['name: a\n\nname: b', /^file\.yaml:3: name: this key is there twice; expected it once$/],
    ['name: *missing', /^file\.yaml: not YAML that can be read: .*alias/i],
    ['name: !!js/function a', /^file\.yaml:1: not YAML: Unresolved tag/],
    ['name: a\n---\nname: b', /documents/],
    [`a: &a [x, x, x, x, x, x, x, x, x]\n${'bcdefghi'.split('').map((key, index) => `${key}: &${key} [${`*${'abcdefgh'[index]},`.repeat(9)}]`).join('\n')}`, /not YAML that can be read: .*alias/i],
    ['['.repeat(200_000), /^file\.yaml(:1)?: not YAML/],
    [`name: ${'x'.repeat(1024 * 1024)}`, /^file\.yaml: expected at most 1048576 characters, found 1048582$/]
  ]
  for (const [text, message] of refused) t.match(refusal(text).message, message, text.slice(0, 40))
})

test('keys that every object inherits are keys like any other', async t => {
  t.equal(refusal('name: a\n__proto__: 1').message, 'file.yaml:2: __proto__: unknown key')
  t.equal(refusal('name: a\nconstructor: 1').message, 'file.yaml:2: constructor: unknown key')
  t.equal(refusal('toString: 1').problems[0]?.value, null)
})

test('durations are read and written as Go does', async t => {
  const durations: Array<[string, number | null]> = [
    ['30s', 30_000], ['1m30s', 90_000], ['500ms', 500], ['1.5h', 5_400_000], ['0', 0], ['0s', 0], ['1h0m0.25s', 3_600_250],
    ['', null], ['5', null], ['-5s', null], ['5 s', null], ['s', null], ['5sx', null], ['x5s', null], ['1e3s', null], ['5d', null], ['9'.repeat(400) + 's', null]
  ]
  for (const [text, ms] of durations) t.equal(parseDuration(text), ms, text)
  for (const ms of [0, 1, 999, 1000, 61_001, 3_600_000, 86_399_999]) t.equal(parseDuration(formatDuration(ms)), ms, formatDuration(ms))
  t.equal(formatDuration(90_500), '1m30s500ms')
})

test('node ids are ranges that do not overlap, each id with its place', async t => {
  t.strictSame(parseNodeIds('1-3, 100'), [{ first: 1, last: 3 }, { first: 100, last: 100 }])
  for (const text of ['', '3-1', '1,1', '1-5,5-9', '5,1-9', 'a', '1-', '-1', '1--2', '2147483648', '1,', '99999999999']) t.equal(parseNodeIds(text), null, text)
  const ranges = parseNodeIds('5-6,1-2') ?? []
  t.strictSame([...nodeIds(ranges)], [5, 6, 1, 2])
  t.strictSame([5, 6, 1, 2, 0, 3, 7].map(id => nodeIdIndex(ranges, id)), [0, 1, 2, 3, null, null, null])
})
