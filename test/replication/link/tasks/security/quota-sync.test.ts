import { test, type Test } from 'tap'
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { AlterClientQuotas } from '../../../../../protocol/messages/alter-client-quotas.ts'
import { DescribeClientQuotas } from '../../../../../protocol/messages/describe-client-quotas.ts'
import { quotaEntity, type QuotaEntity } from '../../../../../src/client/admin/client-quota.ts'
import { SecurityScene } from '../../../../support/scripted-security.ts'

const user = (name: string | null): QuotaEntity => [{ type: 'user', name }]
const ALICE_APP = quotaEntity([{ type: 'user', name: 'alice' }, { type: 'client-id', name: 'app' }])

const start = (t: Test, options: Readonly<Record<string, unknown>> = {}): Promise<SecurityScene> => SecurityScene.start(t, { options: { sync_acls: false, ...options } })

test('quotas of users, clients, addresses and defaults are added, changed and removed', async t => {
  const scene = await start(t)
  scene.source.limit(user('alice'), 'producer_byte_rate', 1000.5)
  scene.source.limit(user('alice'), 'consumer_byte_rate', 2000)
  scene.source.limit(user(null), 'request_percentage', 50)
  scene.source.limit(ALICE_APP, 'producer_byte_rate', 7)
  scene.source.limit([{ type: 'ip', name: '10.0.0.1' }], 'connection_creation_rate', 3)
  const task = scene.task()
  t.strictSame(await scene.run(task), { reason: 'quotas: 5 of 5 kept by the link, 5 added', problems: [] })
  t.same(scene.shadow.limits(), scene.source.limits())
  scene.source.limit(user('alice'), 'producer_byte_rate', 4)
  scene.source.limit(user('alice'), 'consumer_byte_rate', null)
  t.match((await scene.run(task)).reason, '1 set again')
  await scene.run(task)
  t.same(scene.shadow.limits(), scene.source.limits())
  t.match(task.status.quotas, { wanted: 4, kept: 4, created: 5, changed: 1, deleted: 1 })
})

test('a limit of the shadow\'s own is left as it is, beside one that the link has added for the same user', async t => {
  const scene = await start(t)
  scene.shadow.limit(user('alice'), 'producer_byte_rate', 1)
  scene.source.limit(user('alice'), 'producer_byte_rate', 1000)
  scene.source.limit(user('alice'), 'consumer_byte_rate', 2000)
  const task = scene.task()
  t.match((await scene.run(task)).reason, 'quotas: 1 of 2 kept by the link, 1 are the shadow\'s own, 1 added')
  t.same(scene.shadow.limits(), { 'user alice': { producer_byte_rate: 1, consumer_byte_rate: 2000 } })
  scene.source.limit(user('alice'), 'producer_byte_rate', null)
  scene.source.limit(user('alice'), 'consumer_byte_rate', null)
  await scene.run(scene.task(), 2)
  t.same(scene.shadow.limits(), { 'user alice': { producer_byte_rate: 1 } }, 'also for an engine that took over')
})

test('what somebody changed on the shadow of what the link has added is set again', async t => {
  const scene = await start(t)
  scene.source.limit(user('alice'), 'producer_byte_rate', 10)
  const task = scene.task()
  await scene.run(task)
  scene.shadow.limit(user('alice'), 'producer_byte_rate', 99)
  await scene.run(task)
  t.same(scene.shadow.limits(), scene.source.limits())
})

test('users are mapped as principals are; of two that become one the stricter limit counts', async t => {
  const scene = await start(t, {
    principal_mapping: [
      { pattern_type: 'LITERAL', name: 'User:bob', replacement: 'User:b-alice' },
      { pattern_type: 'LITERAL', name: 'User:carol', drop: true },
      { pattern_type: 'LITERAL', name: 'User:dave', replacement: 'Group:dave' },
      { pattern_type: 'PREFIX', name: 'User:', replacement: 'User:b-' }
    ]
  })
  for (const [name, value] of [['alice', 20], ['bob', 10], ['carol', 1], ['dave', 1]] as const) scene.source.limit(user(name), 'producer_byte_rate', value)
  scene.source.limit(user(null), 'producer_byte_rate', 5)
  t.match((await scene.run(scene.task())).problems, [/the quotas of user dave are not shadowed: principal_mapping makes Group:dave of it/])
  t.same(scene.shadow.limits(), { 'user b-alice': { producer_byte_rate: 10 }, 'user (default)': { producer_byte_rate: 5 } })
})

test('quotas that cannot be known, or changed, are a fault and keep the rest', async t => {
  const scene = await start(t)
  scene.source.limit(user('alice'), 'producer_byte_rate', 10)
  const task = scene.task()
  scene.shadow.errors.set(AlterClientQuotas.name, ErrorCodes.CLUSTER_AUTHORIZATION_FAILED)
  t.match((await scene.run(task)).problems, [/the shadow cluster does not let the engine know or change which client quotas it has.*AlterConfigs on the cluster/])
  t.equal(scene.stored.size, 0)
  scene.shadow.errors.clear()
  await scene.run(task)
  scene.source.errors.set(DescribeClientQuotas.name, ErrorCodes.CLUSTER_AUTHORIZATION_FAILED)
  t.match((await scene.run(task, 3)).problems, [/DescribeConfigs on the cluster.*sync_quotas: false/])
  t.same(scene.shadow.limits(), { 'user alice': { producer_byte_rate: 10 } })
})

test('a source without ACLs keeps nobody from its quotas', async t => {
  const scene = await start(t, { sync_acls: true })
  scene.source.errors.set('DescribeAcls', ErrorCodes.SECURITY_DISABLED)
  scene.source.limit(user('alice'), 'producer_byte_rate', 10)
  t.match(await scene.run(scene.task()), { reason: /ACLs: not known; quotas: 1 of 1/, problems: [/^ACLs: the source has no authorizer/] })
})

test('a link that wants neither says so', async t => {
  const scene = await start(t, { sync_quotas: false })
  t.match(await scene.run(scene.task()), { reason: /no ACLs, quotas or users are shadowed/, problems: [] })
})
