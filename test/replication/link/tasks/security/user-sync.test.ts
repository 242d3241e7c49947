import { createHash, createHmac } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { test, type Test } from 'tap'
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { createLogger } from '../../../../../src/observability/logger.ts'
import { AlterUserScramCredentials } from '../../../../../protocol/messages/alter-user-scram-credentials.ts'
import { TaskLoop } from '../../../../../src/replication/link/tasks/task-loop.ts'
import { saltedPassword } from '../../../../../src/replication/link/tasks/security/user-mirror.ts'
import { SecurityScene, type SecuritySceneOptions } from '../../../../support/scripted-security.ts'

const SECRET = 'correct horse battery staple'

interface Fixture {
  readonly scene: SecurityScene
  readonly path: string
  readonly write: (text: string) => void
}

async function start (t: Test, text: string, settings: SecuritySceneOptions = {}): Promise<Fixture> {
  const directory = mkdtempSync(join(tmpdir(), 'kshadow-users-'))
  t.teardown(() => { rmSync(directory, { recursive: true, force: true }) })
  const path = join(directory, 'users.yaml')
  const write = (content: string): void => { writeFileSync(path, content) }
  write(text)
  const scene = await SecurityScene.start(t, { ...settings, options: { sync_acls: false, sync_quotas: false, users_file: path, ...settings.options } })
  return { scene, path, write }
}

/** What a shadow's users have, to compare. */
function credentials ({ shadow }: SecurityScene): string {
  return JSON.stringify([...shadow.users])
}

const USERS = `
users:
  - {name: alice, mechanism: SCRAM-SHA-256, iterations: 4096, password: "${SECRET}"}
  - {name: alice, mechanism: SCRAM-SHA-512, password: "\${env:ALICE}"}
`

test('a salted password is that of RFC 5802 and RFC 7677', async t => {
  // The example of RFC 7677 §3: the server's signature proves the salted password.
  const salted = await saltedPassword('pencil', { mechanism: 'SCRAM-SHA-256', salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), iterations: 4096 })
  const message = 'n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  const serverKey = createHmac('sha256', salted).update('Server Key').digest()
  t.equal(createHmac('sha256', serverKey).update(message).digest('base64'), '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
  const clientKey = createHmac('sha256', salted).update('Client Key').digest()
  const signature = createHmac('sha256', createHash('sha256').update(clientKey).digest()).update(message).digest()
  t.equal(Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0))).toString('base64'), 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=')
})

test('users of the file are added with both mechanisms, and written once', async t => {
  const { scene } = await start(t, USERS, { environment: { ALICE: 'other secret' } })
  const task = scene.task()
  t.strictSame(await scene.run(task, 3), { reason: 'users: 2 of 2 kept by the link, 2 added', problems: [] })
  t.same(scene.shadow.changes, ['+ alice 1', '+ alice 2'])
  for (const { mechanism, iterations, salt, saltedPassword: salted } of scene.shadow.users.get('alice') ?? []) {
    t.equal(iterations, 4096)
    t.same(salted, await saltedPassword(mechanism === 1 ? SECRET : 'other secret', { mechanism: mechanism === 1 ? 'SCRAM-SHA-256' : 'SCRAM-SHA-512', salt, iterations }))
  }
})

test('salt and salted password are taken as they are', async t => {
  const salt = Buffer.from('salt and pepper!')
  const salted = Buffer.alloc(32, 7)
  const { scene } = await start(t, JSON.stringify({ users: [{ name: 'bob', mechanism: 'SCRAM-SHA-256', iterations: 8192, salt: salt.toString('base64'), salted_password: salted.toString('base64') }] }))
  await scene.run(scene.task())
  t.match(scene.shadow.users.get('bob'), [{ mechanism: 1, iterations: 8192, salt, saltedPassword: salted }])
})

test('another password is written with another salt, and so are other iterations', async t => {
  const { scene, write } = await start(t, USERS, { environment: { ALICE: 'x' } })
  const task = scene.task()
  await scene.run(task)
  const before = scene.shadow.users.get('alice')?.[0]
  write(USERS.replace(SECRET, 'another'))
  t.match((await scene.run(task)).reason, '1 set again')
  const after = scene.shadow.users.get('alice')?.find(({ mechanism }) => mechanism === 1)
  t.notSame(after?.salt, before?.salt)
  t.same(after?.saltedPassword, await saltedPassword('another', { mechanism: 'SCRAM-SHA-256', salt: after?.salt ?? Buffer.alloc(0), iterations: 4096 }))
  write(USERS.replace(SECRET, 'another').replace('iterations: 4096', 'iterations: 8192'))
  await scene.run(task, 2)
  t.equal(scene.shadow.users.get('alice')?.find(({ mechanism }) => mechanism === 1)?.iterations, 8192)
  t.equal(scene.shadow.changes.length, 4)
})

test('an engine that takes over writes each credential once, the same as it was: no login under way fails', async t => {
  const { scene } = await start(t, USERS, { environment: { ALICE: 'x' } })
  await scene.run(scene.task())
  const before = credentials(scene)
  await scene.run(scene.task(), 2)
  t.equal(credentials(scene), before)
  t.equal(scene.shadow.changes.length, 4)
})

test('a credential of the shadow\'s own is never touched', async t => {
  const { scene, write } = await start(t, USERS, { environment: { ALICE: 'x' } })
  const own = { mechanism: 1, iterations: 4096, salt: Buffer.from('s'), saltedPassword: Buffer.from('p') }
  scene.shadow.users.set('alice', [own])
  const task = scene.task()
  t.match((await scene.run(task)).reason, 'users: 1 of 2 kept by the link, 1 are the shadow\'s own, 1 added')
  write('users: []')
  await scene.run(task, 3)
  t.same(scene.shadow.users.get('alice'), [own])
})

test('a credential that is no longer in the file is removed, in the second run', async t => {
  const { scene, write } = await start(t, USERS, { environment: { ALICE: 'x' } })
  const task = scene.task()
  await scene.run(task)
  write(USERS.split('\n').slice(0, 3).join('\n'))
  await scene.run(task)
  t.equal(scene.shadow.users.get('alice')?.length, 2)
  await scene.run(task)
  t.match(scene.shadow.users.get('alice'), [{ mechanism: 1 }])
})

test('a user that the shadow refuses is told, and is not the link\'s', async t => {
  const { scene } = await start(t, USERS, { environment: { ALICE: 'x' } })
  scene.shadow.refuses = () => ErrorCodes.UNACCEPTABLE_CREDENTIAL
  t.match((await scene.run(scene.task())).problems, [/AlterUserScramCredentials alice: UNACCEPTABLE_CREDENTIAL/, /UNACCEPTABLE_CREDENTIAL/])
  t.equal(scene.stored.size, 0)
  scene.shadow.errors.set('DescribeUserScramCredentials', ErrorCodes.CLUSTER_AUTHORIZATION_FAILED)
  t.match((await scene.run(scene.task())).problems, [/the shadow cluster does not let the engine know or change which SCRAM users it has/])
})

test('a file that cannot be read, or is not what it should be, takes nobody away and shows nothing of itself', async t => {
  const { scene, path, write } = await start(t, USERS, { environment: { ALICE: 'x' } })
  const task = scene.task()
  await scene.run(task)
  const before = credentials(scene)
  const line = `{name: eve, mechanism: SCRAM-SHA-256, password: "${SECRET}"}`
  const cases: Array<[string, RegExp]> = [
    ['', /expected a map with users/],
    [SECRET, /expected a map with users/],
    [`users: "${SECRET}"`, /expected a list of users/],
    [`users: [${line.replace('password', SECRET.replaceAll(' ', '_'))}]`, /unknown key/],
    [`users: [${line.replace('SCRAM-SHA-256', SECRET)}]`, /users\[0\]\.mechanism: expected SCRAM-SHA-256 or SCRAM-SHA-512/],
    [`users: [${line.replace('name: eve', `name: [${SECRET}]`)}]`, /users\[0\]\.name: expected the name of a user/],
    [`users: [${line.replace(`"${SECRET}"`, `!${SECRET}`)}]`, /not YAML/],
    [`users: [${line}, ${line}]`, /this user has a credential of this mechanism already/],
    [`users: [${line.replace('}', ', iterations: 100}')}]`, /iterations: expected a whole number from 4096 to 16384/],
    [`users: [${line.replace(SECRET, ['$', '{env:NOBODY}'].join(''))}]`, /expected the engine to have an environment variable NOBODY/],
    [`users: [${line.replace('}', ', salt: c2FsdA==}')}]`, /expected either a password, or salt and salted_password/],
    ['users: [{name: eve, mechanism: SCRAM-SHA-256}]', /expected a password, or salt and salted_password/],
    ['users: [{name: eve, mechanism: SCRAM-SHA-512, salt: c2FsdA==, salted_password: c2FsdA==}]', /expected 64 bytes/]
  ]
  for (const [text, reason] of cases) {
    write(text)
    const { problems } = await scene.run(task, 3)
    t.match(problems, [reason], text)
    t.notMatch(problems.join(), /horse|battery/, text)
  }
  rmSync(path)
  t.match((await scene.run(task)).problems, [/users file .* cannot be read: there is no such file on the engine's host/])
  scene.options = { ...scene.options, users_file: tmpdir() }
  t.match((await scene.run(task)).problems, [/cannot be read: it is no file/])
  if (process.getuid?.() !== 0) {
    write(USERS)
    chmodSync(path, 0)
    scene.options = { ...scene.options, users_file: path }
    t.match((await scene.run(task)).problems, [/the engine's user may not read it/])
  }
  t.equal(credentials(scene), before)
})

test('no secret is logged, shown or stored, whatever goes wrong', async t => {
  const lines: string[] = []
  const destination = new Writable({ write: (chunk: Buffer, _encoding, done) => { lines.push(chunk.toString('utf8')); done() } })
  const logger = createLogger({ level: 'trace', pretty: false, destination })
  const { scene, write } = await start(t, USERS, { environment: { ALICE: SECRET }, logger })
  const task = scene.task()
  const abort = new AbortController()
  const loop = new TaskLoop(task, { link: 'dr', signal: abort.signal, logger, wallClock: () => new Date() })
  scene.shadow.refuses = () => ErrorCodes.UNACCEPTABLE_CREDENTIAL
  const running = loop.run()
  await scene.shadow.peer.received(AlterUserScramCredentials, 1)
  await scene.run(task)
  scene.shadow.refuses = () => 0
  scene.shadow.onChange = () => { throw new Error('never') }
  abort.abort()
  await running
  scene.shadow.onChange = () => true
  scene.nowMs += 61_000
  await scene.run(task)
  const [entry] = scene.shadow.users.get('alice') ?? []
  write(`users: [${SECRET}]`)
  const outcome = await scene.run(task)
  const everything = [...lines, JSON.stringify([outcome, loop.status, task.status]), ...[...scene.stored.values()].map(({ bytes }) => bytes)].join('\n')
  t.equal(scene.stored.size, 2)
  t.notMatch(everything, /horse|battery/)
  const salted = entry?.saltedPassword ?? Buffer.from('there is none')
  for (const form of ['base64', 'hex', 'base64url'] as const) t.notOk(everything.includes(salted.toString(form)), form)
})
