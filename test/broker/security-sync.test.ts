/** ACLs, client quotas and SCRAM users between real clusters with Kafka's StandardAuthorizer, and with clusters that have none. */
import { pbkdf2Sync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel, type SASLOptions } from 'kafkajs'
import { test, type Test } from 'tap'
import { ACL_OPERATIONS, ACL_PERMISSIONS, ALL_ACLS, formatAcl, PATTERN_TYPES, RESOURCE_TYPES, type AclBinding } from '../../src/client/admin/acl.ts'
import { alterClientQuotas } from '../../src/client/admin/alter-client-quotas.ts'
import { alterScramCredentials } from '../../src/client/admin/alter-scram-credentials.ts'
import { formatQuotaEntity, quotaEntity, type QuotaEntity } from '../../src/client/admin/client-quota.ts'
import { createAcls } from '../../src/client/admin/create-acls.ts'
import { deleteAcls } from '../../src/client/admin/delete-acls.ts'
import { describeAcls } from '../../src/client/admin/describe-acls.ts'
import { describeClientQuotas } from '../../src/client/admin/describe-client-quotas.ts'
import { describeScramCredentials } from '../../src/client/admin/describe-scram-credentials.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { messageOf } from '../../src/errors.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import type { TaskStatus } from '../../src/replication/link-service.ts'
import { BrokerEngine, createSourceTopic, endOffsets, eventually, linkDocument, testCluster, untilLevel, type BrokerCluster } from '../support/broker-link.ts'
import { runJava } from '../support/java-tool.ts'
import { KafkaCluster, type KafkaClusterOptions } from '../support/kafka-cluster.ts'
import { acl } from '../support/scripted-security.ts'

const TASK = 'Security Migrator Task'
const AUTHORIZER = { 'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer' }

const ALICE = acl('User:alice', 'orders')
const DENIED = acl('User:alice', 'pay', { patternType: PATTERN_TYPES.PREFIXED, operation: ACL_OPERATIONS.WRITE, permission: ACL_PERMISSIONS.DENY })
const GROUP = acl('User:bob', '*', { resourceType: RESOURCE_TYPES.GROUP, host: '10.0.0.1' })
const IDS = acl('User:bob', 'tx-', { resourceType: RESOURCE_TYPES.TRANSACTIONAL_ID, patternType: PATTERN_TYPES.PREFIXED, operation: ACL_OPERATIONS.ALL })
const LOCAL = acl('User:local', 'orders')

interface Side {
  readonly kafka: KafkaCluster
  readonly client: Cluster
}

const { signal } = new AbortController()

async function begin (t: Test, options: KafkaClusterOptions): Promise<Side> {
  const kafka = await KafkaCluster.start(options)
  const client = testCluster(kafka)
  t.teardown(async () => {
    await client.close()
    await kafka.stop()
  })
  return { kafka, client }
}

async function aclsOf ({ client }: Side): Promise<string[]> {
  return (await describeAcls(client, ALL_ACLS, { signal })).map(formatAcl).sort()
}

async function grant ({ client }: Side, ...acls: readonly AclBinding[]): Promise<void> {
  const refused = (await createAcls(client, acls, { signal })).find(error => error !== null)
  if (refused != null) throw refused
}

async function revoke ({ client }: Side, ...acls: readonly AclBinding[]): Promise<void> {
  const refused = (await deleteAcls(client, acls, { signal })).find(error => error !== null)
  if (refused != null) throw refused
}

async function limit ({ client }: Side, entity: QuotaEntity, changes: Readonly<Record<string, number | null>>): Promise<void> {
  const refused = (await alterClientQuotas(client, [{ entity, changes: new Map(Object.entries(changes)) }], { signal })).find(error => error !== null)
  if (refused != null) throw refused
}

async function limitsOf ({ client }: Side): Promise<string[]> {
  return (await describeClientQuotas(client, { signal })).map(({ entity, key, value }) => `${formatQuotaEntity(entity)}: ${key} ${value}`).sort()
}

/** A link of security only. */
function securityLink (name: string, source: BrokerCluster, options: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { ...linkDocument(name, source, []), append_mode: 'produce', security_sync_options: { interval: '1s', ...options } }
}

async function taskOf (engine: BrokerEngine, link: string): Promise<TaskStatus | undefined> {
  return (await engine.engine.status(link)).tasks.find(({ name }) => name === TASK)
}

async function untilTask (engine: BrokerEngine, link: string, state: string, reason: RegExp): Promise<void> {
  let seen = ''
  await eventually(`the task of ${link} is ${state} because ${String(reason)}`, async () => {
    const task = await taskOf(engine, link)
    seen = JSON.stringify(task)
    return task?.state === state && reason.test(task.reason)
  }, 30_000).catch((error: unknown) => { throw new Error(`${String(error)}: ${seen}`) })
}

/** How Java says that somebody may log in, and not read. */
const NO_RIGHT = /TopicAuthorizationException.*Not authorized to access topics/

interface Login {
  readonly user: string
  readonly password: string
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
}

const HASHES = { 'SCRAM-SHA-256': { digest: 'sha256', bytes: 32 }, 'SCRAM-SHA-512': { digest: 'sha512', bytes: 64 } } as const

/** What RFC 5802 makes of a password, not by the product's own code. */
function salted ({ password, mechanism }: Login, salt: string, iterations: number): Buffer {
  const { digest, bytes } = HASHES[mechanism]
  return pbkdf2Sync(password, salt, iterations, bytes, digest)
}

function saslOf ({ user: username, password, mechanism }: Login): SASLOptions {
  return mechanism === 'SCRAM-SHA-256' ? { mechanism: 'scram-sha-256', username, password } : { mechanism: 'scram-sha-512', username, password }
}

function kafkaAs ({ kafka }: Side, login: Login): Kafka {
  return new Kafka({ brokers: kafka.scramServers.map(formatHostPort), sasl: saslOf(login), logLevel: logLevel.NOTHING, retry: { retries: 0 } })
}

/** True for who is let in, with an answer to a request behind the login; false for who is told that the credentials are wrong. */
async function logsIn (side: Side, login: Login): Promise<boolean> {
  const admin = kafkaAs(side, login).admin()
  try {
    await admin.connect()
    await admin.listTopics()
    return true
  } catch (error) {
    if (/^SASL SCRAM SHA\d+ authentication failed: .*invalid credentials/.test(messageOf(error))) return false
    throw error
  } finally {
    await admin.disconnect()
  }
}

/** What the Java consumer, logged in as somebody, reads of a topic, or what it says instead. */
async function javaReads ({ kafka }: Side, { user, password, mechanism }: Login, topic: string, count: number): Promise<string[]> {
  const config = [
    'security.protocol=SASL_PLAINTEXT',
    `sasl.mechanism=${mechanism}`,
    `sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="${user}" password="${password}";`
  ]
  // A properties file is Latin-1.
  const text = config.join('\n').replace(/[^\n -~]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
  // In no group: that would take rights of its own.
  const { stdout, stderr } = await runJava('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    '--bootstrap-server', kafka.scramServers.map(formatHostPort).join(), '--command-config', 'login.properties', '--topic', topic, '--partition', '0', '--offset', 'earliest', '--max-messages', String(count), '--timeout-ms', '20000'
  ], { files: { 'login.properties': `${text}\n` }, mayFail: true })
  return stdout === '' ? [stderr] : stdout.trim().split('\n')
}

test('security between real clusters', async t => {
  const [source, shadow, plain] = await Promise.all([
    // Everybody may do everything where no ACL says otherwise: the test can take the engine's rights away.
    begin(t, { version: '4.1', brokers: 1, name: 'security-source', config: { ...AUTHORIZER, 'allow.everyone.if.no.acl.found': 'true' } }),
    begin(t, { version: '4.3', brokers: 1, name: 'security-shadow', config: { ...AUTHORIZER, 'super.users': 'User:ANONYMOUS' }, scramListener: true }),
    begin(t, { version: '4.3', brokers: 1, name: 'security-plain' })
  ])
  const directory = mkdtempSync(join(tmpdir(), 'kshadow-users-'))
  t.teardown(() => { rmSync(directory, { recursive: true, force: true }) })
  let engine = await BrokerEngine.start(shadow.kafka)
  t.teardown(() => engine.stop())

  await t.test('who is in the users file logs in to the shadow cluster, and may do there what the source lets them do', async t => {
    const topic = 'ledger'
    const values = Array.from({ length: 20 }, (_, number) => `entry ${number}`)
    await createSourceTopic(source.client, topic, 1)
    const producer = new Kafka({ brokers: source.kafka.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING }).producer()
    await producer.connect()
    await producer.send({ topic, messages: values.map(value => ({ value })) })
    await producer.disconnect()

    const resident: Login = { user: 'resident', password: 'of the shadow', mechanism: 'SCRAM-SHA-256' }
    t.same([...await alterScramCredentials(shadow.client, { upsertions: [{ user: resident.user, mechanism: resident.mechanism, iterations: 4096, salt: Buffer.from('salt'), saltedPassword: salted(resident, 'salt', 4096) }] }, { signal })], [])
    // Neither the name nor the password goes over the wire, or into the hash, as it is written here.
    const carol: Login = { user: 'carol, o=shadow', password: 'pässwörd №1', mechanism: 'SCRAM-SHA-256' }
    const dave: Login = { user: 'dave', password: 'a-first-one', mechanism: 'SCRAM-SHA-512' }
    const file = join(directory, 'logins.json')
    const byPassword = ({ user: name, mechanism, password }: Login): Record<string, unknown> => ({ name, mechanism, password })
    const bySalt = (login: Login, salt: string): Record<string, unknown> => ({ name: login.user, mechanism: login.mechanism, iterations: 8192, salt: Buffer.from(salt).toString('base64'), salted_password: salted(login, salt, 8192).toString('base64') })
    const say = (...users: ReadonlyArray<Record<string, unknown>>): void => { writeFileSync(file, JSON.stringify({ users })) }
    say(byPassword(carol), bySalt(dave, 'some salt'), byPassword({ ...resident, password: 'of the file' }))
    await engine.engine.create({
      ...linkDocument('logins', source.kafka, [topic]),
      append_mode: 'produce',
      security_sync_options: { interval: '1s', users_file: file, on_link_deletion: 'delete', acl_filters: [{ resource_filter: {}, access_filter: { principal: `User:${carol.user}` } }] }
    }, { dryRun: false })
    await untilTask(engine, 'logins', 'ACTIVE', /users: 2 of 3 kept by the link, 1 are the shadow's own/)

    t.ok(await logsIn(shadow, carol), 'by a password')
    t.ok(await logsIn(shadow, dave), 'by a salted password')
    t.ok(await logsIn(shadow, resident), 'the shadow\'s own user, with the shadow\'s password')
    for (const login of [{ ...carol, password: 'passwörd №1' }, { ...dave, password: carol.password }, { ...dave, mechanism: 'SCRAM-SHA-256' as const }, { ...resident, password: 'of the file' }, { ...dave, user: 'nobody' }]) {
      t.notOk(await logsIn(shadow, login), JSON.stringify(login))
    }
    await untilLevel(source.client, shadow.client, [topic])
    t.match((await javaReads(shadow, carol, topic, 1))[0], NO_RIGHT, 'a login is no right')

    const [changedCarol, changedDave] = [{ ...carol, password: 'another one' }, { ...dave, password: 'a-second-one' }]
    say(byPassword(changedCarol), bySalt(changedDave, 'some salt'))
    await eventually('what the file has now counts', async () => await logsIn(shadow, changedCarol) && await logsIn(shadow, changedDave))
    t.notOk(await logsIn(shadow, carol), 'the password that was changed')
    t.notOk(await logsIn(shadow, dave), 'the salted password that was changed')
    say(byPassword(changedCarol))
    await eventually('who is gone from the file is not let in any more', async () => !(await logsIn(shadow, changedDave)))
    t.ok(await logsIn(shadow, resident), 'who is gone from the file, and was never the link\'s')

    // With the first ACL of a topic, the source shuts out whoever has none: the engine, too.
    await grant(source, acl('User:ANONYMOUS', topic, { operation: ACL_OPERATIONS.ALL }), acl(`User:${carol.user}`, topic))
    await untilTask(engine, 'logins', 'ACTIVE', /ACLs: 1 of 1 kept by the link/)
    t.same(await aclsOf(shadow), [formatAcl(acl(`User:${carol.user}`, topic))])
    await engine.engine.failover('logins', null)
    await eventually('the link is failed over', async () => (await engine.topic('logins', topic))?.state === 'FAILED_OVER')
    t.same(await javaReads(shadow, changedCarol, topic, values.length), values, 'who may read on the source reads on the shadow')
    t.match((await javaReads(shadow, resident, topic, 1))[0], NO_RIGHT, 'nobody else does')
    const writer = kafkaAs(shadow, changedCarol).producer({ allowAutoTopicCreation: false })
    await writer.connect()
    t.match(await writer.send({ topic, messages: [{ value: 'no' }] }).catch((error: unknown) => error), { type: 'TOPIC_AUTHORIZATION_FAILED' })
    await writer.disconnect()
    t.same(await endOffsets(shadow.client, topic), [values.length])

    await engine.deleteLink('logins')
    t.notOk(await logsIn(shadow, changedCarol), 'on_link_deletion: delete')
    t.ok(await logsIn(shadow, resident))
    t.same(await aclsOf(shadow), [])
    await revoke(source, acl(`User:${carol.user}`, topic), acl('User:ANONYMOUS', topic, { operation: ACL_OPERATIONS.ALL }))
  })

  const usersFile = join(directory, 'users.yaml')
  const user = (name: string, iterations: number): string => `{name: ${name}, mechanism: SCRAM-SHA-512, iterations: ${iterations}, password: a-password}`
  writeFileSync(usersFile, `users: [${user('alice', 4096)}, ${user('local', 4096)}]`)

  const alice: QuotaEntity = [{ type: 'user', name: 'alice' }]
  const byClient = quotaEntity([{ type: 'user', name: null }, { type: 'client-id', name: 'batch' }])
  await grant(source, ALICE, DENIED, GROUP, IDS)
  await limit(source, alice, { producer_byte_rate: 1024, consumer_byte_rate: 4096 })
  await limit(source, byClient, { request_percentage: 25 })
  await grant(shadow, LOCAL, GROUP)
  await limit(shadow, alice, { consumer_byte_rate: 1 })
  const local = { mechanism: 'SCRAM-SHA-512', iterations: 8192 } as const
  t.same([...await alterScramCredentials(shadow.client, { upsertions: [{ user: 'local', ...local, salt: Buffer.from('salt'), saltedPassword: Buffer.alloc(64, 1) }] }, { signal })], [])

  const link = securityLink('dr', source.kafka, { users_file: usersFile })
  t.match((await engine.engine.check(link)).slice(-3), [
    { name: 'ACLs', verdict: 'ok', text: 'the source has 4, before filters; the shadow cluster has 2, which are left alone' },
    { name: 'quotas', verdict: 'ok' },
    { name: 'users', verdict: 'ok', text: `2 credentials are in ${usersFile}` }
  ])
  await engine.engine.create(link, { dryRun: false })

  await t.test('all that the source has is added, and what the shadow had stays as it was', async t => {
    await untilTask(engine, 'dr', 'ACTIVE', /^ACLs: 3 of 4 kept by the link, 1 are the shadow's own.*quotas: 2 of 3 kept by the link, 1 are the shadow's own.*users: 1 of 2 kept by the link, 1 are the shadow's own/)
    t.same(await aclsOf(shadow), [LOCAL, ALICE, DENIED, GROUP, IDS].map(formatAcl).sort())
    t.same(await limitsOf(shadow), ['client-id batch, user (default): request_percentage 25', 'user alice: consumer_byte_rate 1', 'user alice: producer_byte_rate 1024'])
    t.same(await describeScramCredentials(shadow.client, ['alice', 'local', 'nobody'], { signal }), [{ user: 'alice', mechanism: 'SCRAM-SHA-512', iterations: 4096 }, { user: 'local', ...local }])
    t.match((await engine.engine.status('dr')).security, { acls: { wanted: 4, kept: 3, local: 1, created: 3 }, quotas: { wanted: 3, kept: 2, local: 1 }, users: { wanted: 2, kept: 1, local: 1 }, problemCount: 0 })
  })

  await t.test('an engine that takes over goes on: what is gone on the source goes, what is local stays', async t => {
    await engine.stop()
    await revoke(source, ALICE, GROUP)
    await limit(source, alice, { producer_byte_rate: 2048, consumer_byte_rate: null })
    await limit(source, byClient, { request_percentage: null })
    writeFileSync(usersFile, `users: [${user('alice', 8192)}]`)
    engine = await BrokerEngine.start(shadow.kafka)
    await eventually('the shadow has what the source has, and its own', async () => (await aclsOf(shadow)).join('\n') === [LOCAL, DENIED, GROUP, IDS].map(formatAcl).sort().join('\n') &&
      (await limitsOf(shadow)).join('; ') === 'user alice: consumer_byte_rate 1; user alice: producer_byte_rate 2048')
    await eventually('the credential has other iterations', async () => (await describeScramCredentials(shadow.client, ['alice'], { signal }))[0]?.iterations === 8192)
    writeFileSync(usersFile, 'users: []')
    await eventually('who is gone from the file is gone', async () => (await describeScramCredentials(shadow.client, ['alice'], { signal })).length === 0)
    t.same(await describeScramCredentials(shadow.client, ['local'], { signal }), [{ user: 'local', ...local }])
    await untilTask(engine, 'dr', 'ACTIVE', /^ACLs: 2 of 2 kept by the link/)
  })

  await t.test('two clusters that shadow each other do not give back what was taken away', async t => {
    const back = await BrokerEngine.start(source.kafka)
    t.teardown(() => back.stop())
    await back.engine.create(securityLink('back', shadow.kafka), { dryRun: false })
    // The shadow's own come to the source, and what came from the source does not.
    await untilTask(back, 'back', 'ACTIVE', /^ACLs: 2 of 2 kept by the link/)
    await revoke(source, IDS)
    await eventually('the shadow no longer has it', async () => !(await aclsOf(shadow)).includes(formatAcl(IDS)))
    await untilTask(back, 'back', 'ACTIVE', /^ACLs: 2 of 2 kept by the link/)
    t.notOk((await aclsOf(source)).includes(formatAcl(IDS)))
    t.same(await aclsOf(source), [LOCAL, DENIED, GROUP].map(formatAcl).sort())
    await back.deleteLink('back')
  })

  await t.test('a cluster without authorizer is a fault that says what to do, on either side', async t => {
    await engine.engine.create(securityLink('plain', plain.kafka), { dryRun: false })
    await untilTask(engine, 'plain', 'FAULTED', /the source has no authorizer.*SECURITY_DISABLED.*authorizer\.class\.name.*sync_acls: false.*quotas: 0 of 0/)
    await engine.deleteLink('plain')
    const other = await BrokerEngine.start(plain.kafka)
    t.teardown(() => other.stop())
    await other.engine.create(securityLink('into-plain', source.kafka, { sync_quotas: false }), { dryRun: false })
    await untilTask(other, 'into-plain', 'FAULTED', /the shadow cluster has no authorizer/)
    await other.deleteLink('into-plain')
  })

  await t.test('a source that no longer lets the engine see its ACLs is a fault, and takes nothing away', async t => {
    const before = await aclsOf(shadow)
    const cluster = { resourceType: RESOURCE_TYPES.CLUSTER, operation: ACL_OPERATIONS.CLUSTER_ACTION }
    await grant(source, acl('User:ANONYMOUS', 'kafka-cluster', cluster))
    await untilTask(engine, 'dr', 'FAULTED', /the source does not let the engine know.*CLUSTER_AUTHORIZATION_FAILED.*Describe on the cluster/)
    const seen = (await engine.engine.status('dr')).security.syncedAt
    await eventually('it was looked at again', async () => (await engine.engine.status('dr')).security.syncedAt !== seen)
    t.same(await aclsOf(shadow), before)
    t.match((await engine.engine.status('dr')).security, { acls: null, quotas: null })
  })

  await t.test('a link that is deleted leaves what it has added', async t => {
    const before = await aclsOf(shadow)
    await engine.deleteLink('dr')
    t.same(await aclsOf(shadow), before)
    t.equal(engine.state.state?.securityOf('dr').length, 0)
  })
})
