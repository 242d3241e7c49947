import { test } from 'tap'
import { CreateAcls } from '../../../../../protocol/messages/create-acls.ts'
import { DeleteAcls } from '../../../../../protocol/messages/delete-acls.ts'
import { DescribeAcls } from '../../../../../protocol/messages/describe-acls.ts'
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { ACL_OPERATIONS, ACL_PERMISSIONS, formatAcl, PATTERN_TYPES, RESOURCE_TYPES } from '../../../../../src/client/admin/acl.ts'
import { acl, SecurityScene } from '../../../../support/scripted-security.ts'

const ONLY_ACLS = { sync_quotas: false }
const ALICE = acl('User:alice', 'orders')
const BOB = acl('User:bob', 'orders')
const DENIED = acl('User:alice', 'secrets', { permission: ACL_PERMISSIONS.DENY })

const start = (t: Parameters<typeof SecurityScene.start>[0], options: Readonly<Record<string, unknown>> = {}): Promise<SecurityScene> => SecurityScene.start(t, { options: { ...ONLY_ACLS, ...options } })

test('what the source has is added, and removed once two answers in a row lack it', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE, BOB)
  const task = scene.task()
  t.strictSame(await scene.run(task), { reason: 'ACLs: 2 of 2 kept by the link, 2 added', problems: [] })
  t.same(scene.shadow.acls, [formatAcl(ALICE), formatAcl(BOB)])
  scene.source.revoke(ALICE)
  t.match((await scene.run(task)).reason, 'ACLs: 1 of 1 kept by the link, 1 gone on the source and not removed yet')
  t.same(scene.shadow.acls, [formatAcl(ALICE), formatAcl(BOB)], 'one answer is not enough')
  t.match((await scene.run(task)).reason, '1 removed')
  t.same(scene.shadow.acls, [formatAcl(BOB)])
  t.match(task.status, { acls: { wanted: 1, kept: 1, local: 0, vanished: 0, created: 2, changed: 0, deleted: 1 }, quotas: null, users: null, problems: [], problemCount: 0, syncedAt: '2026-01-02T03:04:05.000Z' })
  t.equal(scene.stored.size, 1, 'what was removed is struck out')
})

test('what comes back between two answers is not removed', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE)
  const task = scene.task()
  await scene.run(task)
  for (let round = 0; round < 3; round++) {
    scene.source.revoke(ALICE)
    await scene.run(task)
    scene.source.grant(ALICE)
    await scene.run(task)
  }
  t.same(scene.shadow.changes, [`+ ${formatAcl(ALICE)}`])
})

test('an ACL that the shadow has by itself is never the link\'s, and never removed', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE, BOB)
  scene.shadow.grant(ALICE, DENIED)
  const task = scene.task()
  t.match((await scene.run(task)).reason, 'ACLs: 1 of 2 kept by the link, 1 are the shadow\'s own, 1 added')
  scene.source.revoke(ALICE, BOB)
  await scene.run(task, 3)
  t.same(scene.shadow.acls, [formatAcl(ALICE), formatAcl(DENIED)].sort())
  t.same(scene.shadow.changes, [`+ ${formatAcl(BOB)}`, `- ${formatAcl(BOB)}`])
})

test('the intent is in the state topic before the ACL is added', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE)
  let storedBefore = -1
  scene.shadow.onChange = () => {
    storedBefore = scene.stored.size
    return true
  }
  await scene.run(scene.task())
  t.equal(storedBefore, 1)
})

test('an engine that died after CreateAcls, and before its answer: the next one knows that the ACL is the link\'s', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE)
  scene.shadow.onChange = () => false
  await t.rejects(scene.run(scene.task()), { code: 'CONNECTION_CLOSED', retriable: true })
  t.same(scene.shadow.acls, [formatAcl(ALICE)])
  scene.shadow.onChange = () => true
  const next = scene.task()
  t.match((await scene.run(next)).reason, 'ACLs: 1 of 1 kept by the link')
  scene.source.revoke(ALICE)
  await scene.run(next, 2)
  t.same(scene.shadow.acls, [])
})

test('an engine that died before CreateAcls: the next one adds the ACL, or lets go of it when the source no longer has it', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE)
  scene.isLeading = true
  scene.onWrite = () => { scene.isLeading = false }
  await t.rejects(scene.run(scene.task()), { code: 'ABORTED' })
  t.same(scene.shadow.acls, [], 'who no longer leads adds nothing')
  t.equal(scene.stored.size, 1)
  scene.onWrite = () => {}
  scene.isLeading = true
  const next = scene.task()
  scene.source.revoke(ALICE)
  await scene.run(next, 2)
  t.same(scene.shadow.changes, [])
  t.equal(scene.stored.size, 0)
  scene.source.grant(ALICE)
  await scene.run(next)
  t.same(scene.shadow.acls, [formatAcl(ALICE)])
})

test('a restart in the middle counts absences anew, and goes on', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE, BOB)
  const first = scene.task()
  await scene.run(first)
  scene.source.revoke(ALICE)
  await scene.run(first)
  const second = scene.task()
  await scene.run(second)
  t.same(scene.shadow.acls, [formatAcl(ALICE), formatAcl(BOB)])
  await scene.run(second)
  t.same(scene.shadow.acls, [formatAcl(BOB)])
})

test('a source that hides its ACLs is a fault with its reason, and nothing is changed', async t => {
  const cases: Array<[number, RegExp]> = [
    [ErrorCodes.SECURITY_DISABLED, /the source has no authorizer and does not say which ACLs it has \(DescribeAcls: SECURITY_DISABLED.*\): nothing was changed\. Set authorizer\.class\.name .*sync_acls: false/],
    [ErrorCodes.CLUSTER_AUTHORIZATION_FAILED, /the source does not let the engine know .*CLUSTER_AUTHORIZATION_FAILED.*Describe on the cluster/],
    [ErrorCodes.UNKNOWN_SERVER_ERROR, /UNKNOWN_SERVER_ERROR/]
  ]
  for (const [code, reason] of cases) {
    const scene = await start(t)
    scene.source.grant(ALICE)
    const task = scene.task()
    await scene.run(task)
    scene.source.errors.set(DescribeAcls.name, code)
    const outcome = await scene.run(task, 4)
    t.match(outcome.problems, [reason])
    t.match(task.status, { acls: null, problemCount: 1 }, 'what was known before is not shown as if it were known')
    t.same(scene.shadow.acls, [formatAcl(ALICE)])
    scene.source.errors.clear()
    scene.source.revoke(ALICE)
    await scene.run(task)
    t.same(scene.shadow.acls, [formatAcl(ALICE)], 'an error is no answer that counts')
    await scene.run(task)
    t.same(scene.shadow.acls, [])
  }
})

test('a source that does not speak DescribeAcls, or only the version that hides patterns, is a fault too', async t => {
  for (const versions of [{ DescribeAcls: null }, { DescribeAcls: [0, 0] as const }]) {
    const scene = await SecurityScene.start(t, { options: ONLY_ACLS, sourceVersions: versions })
    t.match((await scene.run(scene.task())).problems, [/the source cannot be asked which ACLs it has/])
  }
})

test('an empty answer without an error is an empty set', async t => {
  const scene = await start(t)
  t.strictSame(await scene.run(scene.task()), { reason: 'ACLs: 0 of 0 kept by the link', problems: [] })
})

test('a shadow that hides or refuses ACLs is a fault with what to do, and leaves nothing half recorded', async t => {
  for (const [api, code, reason] of [
    [DescribeAcls.name, ErrorCodes.SECURITY_DISABLED, /the shadow cluster has no authorizer/],
    [CreateAcls.name, ErrorCodes.CLUSTER_AUTHORIZATION_FAILED, /the shadow cluster does not let the engine.*Alter on the cluster/]
  ] as const) {
    const scene = await start(t)
    scene.source.grant(...Array.from({ length: 50 }, (_, index) => acl('User:alice', `t${index}`)))
    scene.shadow.errors.set(api, code)
    const task = scene.task()
    t.match((await scene.run(task, 3)).problems, [reason])
    t.equal(scene.stored.size, 0)
    t.ok(scene.written <= 6, `${scene.written} records were written for nothing`)
    scene.shadow.errors.clear()
    await scene.run(task)
    t.equal(scene.shadow.acls.length, 50)
  }
})

test('one ACL that is refused keeps no other from being added, is told every time, and is asked for again later', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE, BOB)
  scene.shadow.refuses = text => text.includes('alice') ? ErrorCodes.INVALID_REQUEST : 0
  const task = scene.task()
  t.match(await scene.run(task), { reason: 'ACLs: 1 of 2 kept by the link, 1 added', problems: [/CreateAcls ALLOW User:alice READ on TOPIC orders .*INVALID_REQUEST/] })
  const { written } = scene
  t.match((await scene.run(task)).problems, [/INVALID_REQUEST/])
  t.equal(scene.written, written, 'nothing is written for what was refused a moment ago')
  scene.shadow.refuses = () => 0
  scene.nowMs += 60_001
  t.same((await scene.run(task)).problems, [])
  t.same(scene.shadow.acls, [formatAcl(ALICE), formatAcl(BOB)])
})

test('what may have been added is kept in the ledger', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE)
  scene.shadow.refuses = () => ErrorCodes.REQUEST_TIMED_OUT
  t.match((await scene.run(scene.task())).problems, [/REQUEST_TIMED_OUT/])
  t.equal(scene.stored.size, 1)
})

test('denials come before permissions, and go after them', async t => {
  const scene = await start(t)
  const task = scene.task()
  scene.source.grant(ALICE, DENIED, BOB)
  await scene.run(task)
  t.equal(scene.shadow.changes[0], `+ ${formatAcl(DENIED)}`)
  scene.source.revoke(ALICE, DENIED, BOB)
  await scene.run(task, 2)
  t.equal(scene.shadow.changes.at(-1), `- ${formatAcl(DENIED)}`)
  t.same(scene.shadow.acls, [])
})

test('who is to be denied something, and cannot be, is allowed nothing new', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE, DENIED, BOB)
  scene.shadow.refuses = text => text.startsWith('DENY') ? ErrorCodes.INVALID_REQUEST : 0
  t.match((await scene.run(scene.task())).problems, [/CreateAcls DENY User:alice/, /ALLOW User:alice .* is not added, because DENY User:alice .* could not be/])
  t.same(scene.shadow.acls, [formatAcl(BOB)])
})

test('a permission that cannot be removed keeps the denial of the same user', async t => {
  const scene = await start(t)
  const task = scene.task()
  scene.source.grant(ALICE, DENIED)
  await scene.run(task)
  scene.source.revoke(ALICE, DENIED)
  scene.shadow.refuses = text => text.startsWith('ALLOW') ? ErrorCodes.INVALID_REQUEST : 0
  t.match((await scene.run(task, 2)).problems, [/DeleteAcls ALLOW/])
  t.same(scene.shadow.acls, [formatAcl(ALICE), formatAcl(DENIED)].sort())
  scene.shadow.refuses = () => 0
  await scene.run(task)
  t.same(scene.shadow.acls, [])
})

test('what somebody removed on the shadow is added again', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE)
  const task = scene.task()
  await scene.run(task)
  scene.shadow.revoke(ALICE)
  t.match((await scene.run(task)).reason, '1 set again')
  t.same(scene.shadow.acls, [formatAcl(ALICE)])
})

test('when much is gone at once it is held back, told, and kept when it comes back', async t => {
  const scene = await start(t)
  const many = Array.from({ length: 12 }, (_, index) => acl('User:alice', `t${index}`))
  scene.source.grant(...many, BOB)
  const task = scene.task()
  await scene.run(task)
  scene.source.revoke(...many)
  await scene.run(task)
  scene.nowMs += 30_000
  t.match((await scene.run(task, 3)).problems, [/12 of the 13 that the link has added are gone at once on the source: they are removed from the shadow in 30 s, unless they come back \(mass_deletion_delay\)/])
  t.equal(scene.shadow.acls.length, 13)
  scene.source.grant(...many)
  t.same((await scene.run(task)).problems, [])
  scene.source.revoke(...many)
  await scene.run(task)
  scene.nowMs += 59_000
  await scene.run(task)
  t.equal(scene.shadow.acls.length, 13, 'the time counts from when they were gone again')
  scene.nowMs += 1000
  t.same((await scene.run(task)).problems, [])
  t.same(scene.shadow.acls, [formatAcl(BOB)])
})

test('filters select, and several of them add up', async t => {
  const scene = await start(t, {
    acl_filters: [
      { resource_filter: { resource_type: 'GROUP', pattern_type: 'ANY', name: '' }, access_filter: { principal: '', operation: 'ANY', permission_type: 'ANY', host: '' } },
      { access_filter: { principal: 'User:bob' } }
    ]
  })
  const group = acl('User:alice', 'readers', { resourceType: RESOURCE_TYPES.GROUP })
  scene.source.grant(ALICE, BOB, group)
  await scene.run(scene.task())
  t.same(scene.shadow.acls, [formatAcl(BOB), formatAcl(group)].sort())
})

test('principals are mapped by the first rule that matches; two that become one have one ACL', async t => {
  const scene = await start(t, {
    principal_mapping: [
      { pattern_type: 'LITERAL', name: 'User:bob', replacement: 'User:site-b-alice' },
      { pattern_type: 'LITERAL', name: 'User:carol', drop: true },
      { pattern_type: 'PREFIX', name: 'User:', replacement: 'User:site-b-' }
    ]
  })
  scene.source.grant(ALICE, BOB, acl('User:carol', 'orders'), acl('User:*', 'public'), acl('Group:x', 'orders'))
  const task = scene.task()
  await scene.run(task)
  t.same(scene.shadow.acls, [acl('User:site-b-alice', 'orders'), acl('User:*', 'public'), acl('Group:x', 'orders')].map(formatAcl).sort())
  scene.source.revoke(ALICE)
  await scene.run(task, 2)
  t.ok(scene.shadow.acls.includes(formatAcl(acl('User:site-b-alice', 'orders'))), 'bob still has it')
})

test('an entry that stands for any value is told, never added, and so never removed', async t => {
  const scene = await start(t)
  scene.source.grant(acl('User:alice', 'orders', { operation: ACL_OPERATIONS.ANY }), acl('User:alice', 'orders', { patternType: PATTERN_TYPES.MATCH }), BOB)
  t.match((await scene.run(scene.task())).problems, [/of a kind that is not known here: .*ANY/, /MATCH/])
  t.same(scene.shadow.acls, [formatAcl(BOB)])
})

test('what an older cluster may not know goes in requests of its own', async t => {
  const scene = await start(t)
  const unusual = acl('User:alice', 'ids', { resourceType: RESOURCE_TYPES.TRANSACTIONAL_ID, operation: ACL_OPERATIONS.TWO_PHASE_COMMIT })
  scene.source.grant(ALICE, BOB, unusual)
  await scene.run(scene.task())
  t.equal(scene.shadow.acls.length, 3)
  t.equal(scene.shadow.changes.at(-1), `+ ${formatAcl(unusual)}`)
})

test('an ACL that two links add is removed by the last of them', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE)
  const first = scene.task('first')
  await scene.run(first)
  const [id = ''] = [...scene.stored.values()].map(({ record }) => record.id)
  scene.sharedIds = new Set([id])
  scene.source.revoke(ALICE)
  await scene.run(first, 2)
  t.same(scene.shadow.acls, [formatAcl(ALICE)], 'the other link keeps it')
  t.equal(scene.stored.size, 0)
  scene.source.grant(ALICE)
  t.match((await scene.run(first)).reason, 'ACLs: 1 of 1 kept by the link')
  t.equal(scene.stored.size, 1, 'what another link has added is no ACL of the shadow\'s own')
  scene.sharedIds = new Set()
  scene.source.revoke(ALICE)
  await scene.run(first, 2)
  t.same(scene.shadow.acls, [])
})

test('nothing is changed once the link is failed over, not even by a run that is under way', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE, BOB)
  const task = scene.task()
  scene.onWrite = () => { scene.isFailedOver = true }
  await t.rejects(scene.run(task), { code: 'ABORTED' })
  t.same(scene.shadow.acls, [])
  t.match(task.options(), { paused: true })
  t.match(await task.whilePaused(), { reason: /the link is failed over/ })
})

test('another cluster at the source\'s addresses is a fault, and takes nothing away', async t => {
  const scene = await start(t)
  scene.source.grant(ALICE)
  const task = scene.task()
  await scene.run(task)
  scene.source.clusterId = 'another'
  scene.source.revoke(ALICE)
  for (let round = 0; round < 3; round++) await t.rejects(scene.run(task), { message: 'the source is another' })
  t.same(scene.shadow.acls, [formatAcl(ALICE)])
})

test('10,000 ACLs are added in a few requests, recorded in small records, and removed again', async t => {
  const scene = await start(t, { mass_deletion_delay: '0s' })
  const many = Array.from({ length: 10_000 }, (_, index) => acl(`User:service-${index % 100}`, `topic-with-a-long-name-${index}`))
  scene.source.grant(...many)
  const task = scene.task()
  t.match((await scene.run(task)).reason, 'ACLs: 10000 of 10000 kept by the link')
  t.equal(scene.shadow.peer.count(CreateAcls), 21)
  t.ok(Math.max(...[...scene.stored.values()].map(({ bytes }) => bytes.length)) < 512)
  scene.source.revoke(...many)
  await scene.run(scene.task(), 2)
  t.same(scene.shadow.acls, [])
  t.equal(scene.stored.size, 0)
  t.equal(scene.shadow.peer.count(DeleteAcls), 21, 'by an engine that took over, too')
})

test('a link that is deleted leaves its ACLs, as the shadow\'s own, or takes them along where that was asked', async t => {
  for (const [mode, left] of [['keep', [formatAcl(ALICE), formatAcl(BOB)]], ['delete', [formatAcl(BOB)]]] as const) {
    const scene = await start(t, { on_link_deletion: mode })
    scene.source.grant(ALICE)
    scene.shadow.grant(BOB)
    const task = scene.task()
    await scene.run(task)
    scene.isFailedOver = true
    await task.release()
    t.same(scene.shadow.acls, left, mode)
    t.equal(scene.stored.size, 0)
  }
})
