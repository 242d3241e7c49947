import { createServer } from 'node:http'
import { test } from 'tap'
import { SignalError } from '../../src/cli/terminal.ts'
import { ShadowError } from '../../src/errors.ts'
import type { GroupStatus, LinkStatus } from '../../src/replication/link-service.ts'
import { link, partition, topic } from '../admin/fake-links.ts'
import { keysOf, kshadow } from './kshadow.ts'
import { listening } from './listening.ts'
import { runCommand } from './run-command.ts'

const faulted = topic('payments', {
  state: 'FAULTED',
  fidelity: 'unsupported',
  fault: { code: 'OFFSET_GAP', reason: 'offsets 5 to 8 are missing', partition: 2, offset: 5 },
  partitions: [partition({ partition: 2, sourceLastStableOffset: null, sourceHighWatermark: null, shadowEndOffset: 5, lagRecords: null, lagSeconds: null, sourceContactAgeMs: null, activity: 'stopped' })]
})

test('list shows one line per link', async t => {
  const { run } = await kshadow(t, link('a'), link('second', { topics: [topic('orders'), faulted] }))
  t.same(await run('list'), {
    code: 0,
    out: [
      'NAME    UID                                   STATE   TOPICS  FAULTED  LAG-SECONDS  LAST-CONTACT',
      'a       11111111-2222-4333-8444-555555555555  ACTIVE  1       0        2s           40ms ago',
      'second  11111111-2222-4333-8444-555555555555  ACTIVE  2       1        -            40ms ago',
      ''
    ].join('\n'),
    err: ''
  })
})

test('list as JSON has the keys of rpk', async t => {
  const { run } = await kshadow(t, link('a', { topics: [] }))
  const { code, out } = await run('list --output json')
  t.equal(code, 0)
  t.same(JSON.parse(out), [{
    name: 'a',
    UID: '11111111-2222-4333-8444-555555555555',
    state: 'ACTIVE',
    topics: 0,
    faulted_topics: 0,
    lag_seconds: null,
    source_reachable: true,
    source_contact_age_ms: 40,
    warning: null
  }])
})

test('list says what is missing from it', async t => {
  const { run, parts } = await kshadow(t)
  parts.engineProblem = 'link dr could not be created: the source does not answer'
  t.match(await run('list --output json'), {
    code: 0, out: '[]\n', err: 'kshadow: the engine says: link dr could not be created: the source does not answer\nthere are no links; `kshadow create -c FILE` makes one\n'
  })
})

test('status shows what is known, and says where nothing is', async t => {
  const { run } = await kshadow(t, link('a', { topics: [topic('orders'), faulted] }))
  t.same(await run('status a'), {
    code: 0,
    out: `OVERVIEW
========
NAME         a
UID          11111111-2222-4333-8444-555555555555
STATE        ACTIVE
APPEND MODE  produce
SOURCE       reachable, last contact 40ms ago
LAG          -
COPIED       5.0 MiB
BUFFERED     2.0 KiB

TASKS
=====
NAME               STATE   SINCE                     REASON
Source Topic Sync  ACTIVE  2026-01-02T03:04:05.000Z  found 1 topic

TOPICS
======
Name: orders, ID: 3f0c1e2d-0000-4000-8000-000000000001, State: ACTIVE
  PARTITION  SRC-LSO  SRC-HWM  DST-HWM  LAG  LAG-SECONDS  LAST-CONTACT  ACTIVITY
  0          120      120      100      20   2s           40ms ago      copying

Name: payments, ID: 3f0c1e2d-0000-4000-8000-000000000001, State: FAULTED
  Fault: OFFSET_GAP at partition 2, offset 5: offsets 5 to 8 are missing
  PARTITION  SRC-LSO  SRC-HWM  DST-HWM  LAG  LAG-SECONDS  LAST-CONTACT  ACTIVITY
  2          -        -        5        -    -            -             stopped

Synced Shadow Topic Properties:
  - retention.ms

CONSUMER GROUPS
===============
No consumer groups are being shadowed.
`,
    err: ''
  })
})

test('status as JSON has the keys of rpk, and null where nothing is known', async t => {
  const { run } = await kshadow(t, link('a', { topics: [faulted] }))
  const { out } = await run('status a --output json')
  t.same(JSON.parse(out), {
    overview: {
      name: 'a',
      id: '11111111-2222-4333-8444-555555555555',
      state: 'ACTIVE',
      paused_at: null,
      append_mode: 'produce',
      append_mode_reason: null,
      standbys: null,
      created_at: '2026-01-02T03:00:00.000Z',
      source_cluster_id: 'source-cluster',
      source_reachable: true,
      source_contact_age_ms: 40,
      source_problem: null,
      warning: null,
      buffered_bytes: 2048,
      copied_bytes: 5242880
    },
    tasks: [{ name: 'Source Topic Sync', state: 'ACTIVE', since: '2026-01-02T03:04:05.000Z', reason: 'found 1 topic' }],
    security: { acls: null, quotas: null, users: null, problems: [], problem_count: 0, synced_at: null },
    topics: [{
      name: 'payments',
      id: '3f0c1e2d-0000-4000-8000-000000000001',
      source_id: '3f0c1e2d-0000-4000-8000-0000000000aa',
      state: 'FAULTED',
      since: '2026-01-02T03:04:05.000Z',
      owned: true,
      fidelity: 'unsupported',
      fault: { code: 'OFFSET_GAP', reason: 'offsets 5 to 8 are missing', partition: 2, offset: 5 },
      problem: null,
      start_offsets: null,
      synced_configs: {},
      refused_configs: {},
      rollbacks: [],
      partitions: [{
        partition_id: 2, src_start: 0, src_lso: null, src_hwm: null, dst_hwm: 5, lag: null, lag_seconds: null, source_contact_age_ms: null, activity: 'stopped', problem: null
      }]
    }],
    synced_shadow_topic_properties: ['retention.ms'],
    consumer_groups: { count: 0, with_members: 0, live_on_shadow: 0, ahead_on_shadow: 0, partitions: 0, oldest_synced_at: null, problems: [] }
  })
})

test('a status that is not of now says so first', async t => {
  const old = link('a', {
    source: { reachable: false, contactAgeMs: 35_000, problem: 'connect ECONNREFUSED source:9092' },
    topics: [topic('orders', { partitions: [partition({ sourceContactAgeMs: 36_000, problem: 'LEADER_NOT_AVAILABLE' })] })]
  })
  const { run } = await kshadow(t, old, link('new', { source: { reachable: null, contactAgeMs: null, problem: null }, topics: [] }))
  const { out } = await run('status a')
  t.match(out, /^WARNING: last contact with the source 35s ago, what is shown of it is from then: connect ECONNREFUSED source:9092\n\n/)
  t.match(out, /SOURCE {7}not reachable, last contact 35s ago\n/)
  t.match(out, / {2}Partition 0: last contact with the source 36s ago, what is shown of it is from then; LEADER_NOT_AVAILABLE\n/)
  t.match((await run('status new')).out, /^WARNING: the source has not answered yet/)
  t.match((await run('status new')).out, /SOURCE {7}unknown, last contact never\n/)
  const list = await run('list')
  t.match(list.out, /WARNING: a: last contact with the source 35s ago/)
  t.match(JSON.parse((await run('status a -o --output json')).out), { overview: { warning: /^last contact with the source 35s ago/ } })
})

test('a link that was failed over does not wait for its source', async t => {
  const done = link('a', { state: 'FAILED_OVER', source: { reachable: false, contactAgeMs: 90_000, problem: 'gone' }, topics: [topic('orders', { state: 'FAILED_OVER' })] })
  const { run } = await kshadow(t, done)
  const { out } = await run('status a')
  t.notMatch(out, /WARNING|SOURCE|LAG-SECONDS/)
  t.match(out, /STATE {8}FAILED_OVER/)
})

test('status shows the configs that are synced, of shadow topics', async t => {
  const syncedConfigs = { 'cleanup.policy': 'compact', 'retention.ms': '5' }
  const { run } = await kshadow(t, link('a', { topics: [topic('orders', { syncedConfigs }), topic('taken', { syncedConfigs, owned: false })] }))
  const { out } = await run('status a -t')
  t.equal(out.match(/^ {2}Synced configs: cleanup\.policy=compact, retention\.ms=5$/gm)?.length, 1)
  t.match(JSON.parse((await run('status a -t --output json')).out), { topics: [{ synced_configs: syncedConfigs }] })
})

test('status shows where copies began that did not begin with everything', async t => {
  const { run } = await kshadow(t, link('a', { topics: [topic('late', { startOffsets: [120, 0] }), topic('many', { startOffsets: Array.from({ length: 10 }, () => 7) })] }))
  const { out } = await run('status a -t')
  t.match(out, /^ {2}Began: partition 0 at 120, partition 1 at 0$/m)
  t.match(out, /^ {2}Began: partition 0 at 7, .*partition 7 at 7, and 2 more$/m)
  t.match(JSON.parse((await run('status a -t --output json')).out), { topics: [{ start_offsets: [120, 0] }] })
})

test('status shows the sections that are asked for', async t => {
  const { run } = await kshadow(t, link('a'))
  t.match((await run('status a -o')).out, /^OVERVIEW/)
  t.notMatch((await run('status a -o')).out, /TASKS|TOPICS/)
  t.match((await run('status a -k')).out, /^TASKS/)
  t.match((await run('status a -t')).out, /^TOPICS/)
  t.match((await run('status a -o -t')).out, /OVERVIEW[^]*TOPICS/)
  t.same(keysOf((await run('status a -k --output json')).out), ['tasks', 'security'])
})

test('of consumer groups, status shows counts and what is wrong, and each with its members when asked', async t => {
  const group = (name: string, input: Partial<GroupStatus> = {}): GroupStatus => ({
    name,
    state: 'Stable',
    type: 'consumer',
    protocolType: 'consumer',
    protocol: 'uniform',
    members: [{ memberId: 'm1', instanceId: null, clientId: 'app', host: '/10.0.0.7' }],
    isLiveOnShadow: false,
    partitions: 3,
    clampedPartitions: 1,
    aheadPartitions: 0,
    waitingPartitions: 0,
    withoutMetadata: [],
    syncedAt: '2026-01-02T03:04:05.000Z',
    problem: null,
    ...input
  })
  const { run } = await kshadow(t, link('a', { groups: [group('fine', { withoutMetadata: ['a-0', 'a-1'] }), group('live', { isLiveOnShadow: true, syncedAt: null }), group('wrong', { members: null, problem: 'OffsetFetch wrong: GROUP_AUTHORIZATION_FAILED' })] }))
  const { out } = await run('status a')
  t.match(out, /CONSUMER GROUPS\n=+\nGROUPS +3\nWITH MEMBERS +2\nLIVE ON SHADOW +1\nAHEAD ON SHADOW +0\nPARTITIONS +9\nOLDEST SYNC +2026-01-02T03:04:05.000Z\nPROBLEMS +1\n {2}- wrong: OffsetFetch wrong: GROUP_AUTHORIZATION_FAILED\n/)
  t.notMatch(out, /10\.0\.0\.7/)
  const all = (await run('status a -g')).out
  t.match(all, /^CONSUMER GROUPS\n=+\nName: fine, Type: consumer, State: Stable, Protocol: uniform\n {2}Partitions: 3, clamped: 1, ahead on the shadow: 0, waiting: 0, synced: 2026-01-02T03:04:05.000Z, members: 1\n {2}Without their metadata, which is longer than the shadow takes: a-0, a-1\n {2}CLIENT-ID {2}HOST +MEMBER-ID\n {2}app +\/10.0.0.7 +m1\n/)
  t.match(all, /Name: wrong[^]*members: -\n {2}Problem: OffsetFetch wrong/)
  t.match(JSON.parse((await run('status a --output json')).out), { consumer_groups: { count: 3, problems: [{ name: 'wrong' }] } })
  t.match(JSON.parse((await run('status a -g --output json')).out), { consumer_groups: { count: 3, groups: [{ name: 'fine', members: [{ client_id: 'app', host: '/10.0.0.7' }] }, { live_on_shadow: true }, { members: null }] } })
})

test('what was rolled back is shown for good', async t => {
  const row = { partition: 3, at: '2026-01-02T03:04:05.000Z', fromOffset: 120, toOffset: 100, times: 1, discarded: 20, epochs: [{ epoch: 2, startOffset: 100 }] }
  const { run } = await kshadow(t, link('a', { topics: [topic('orders', { rollbacks: [row, { ...row, partition: 4, times: 2, discarded: 55 }] })] }))
  const { out } = await run('status a')
  t.match(out, / {2}Rolled back: partition 3 from offset 120 to 100 at 2026-01-02T03:04:05\.000Z, 20 records that the source did not have\n/)
  t.match(out, /partition 4 .* 20 records that the source did not have; 2 times so far, 55 records in all\n/)
  t.match(JSON.parse((await run('status a --output json')).out), { topics: [{ rollbacks: [{ partition_id: 3, at: row.at, from_offset: 120, to_offset: 100, times: 1, discarded_records: 20 }, { partition_id: 4 }] }] })
})

test('text from elsewhere cannot take hold of the terminal', async t => {
  const { run } = await kshadow(t, link('a', { topics: [topic('orders', { problem: 'refused: \u001b[2J\u009b31m\nNAME fake\u202e' })] }))
  const { out } = await run('status a')
  for (const text of ['\u001b', '\u009b', '\u202e', '\nNAME fake']) t.notOk(out.includes(text))
  t.match(out, /Problem: refused: \\u001b\[2J\\u009b31m\\u000aNAME fake\\u202e/)
})

test('watch shows the status again and again, and says when it cannot', async t => {
  const { run, links } = await kshadow(t, link('a'))
  const abort = new AbortController()
  let shown = 0
  const outcome = await run('status --watch=100ms a -o', {
    signal: abort.signal,
    onOut: () => {
      shown++
      if (shown === 1) links.failure = new ShadowError('CLUSTER_UNAVAILABLE', 'no broker answers')
      if (shown === 2) abort.abort(new SignalError('SIGINT'))
    }
  })
  t.equal(outcome.code, 130)
  t.equal(outcome.out.match(/OVERVIEW/g)?.length, 2)
  t.match(outcome.err, /nothing is known at the moment: no broker answers\n$/)
  t.match(await run('status a --watch=soon'), { code: 2, err: /--watch: "soon": expected a duration/ })
})

test('watch ends with what cannot pass: a link that is not there, or is not there any more, and what is no kshadow', async t => {
  const { run, links } = await kshadow(t, link('a'))
  t.same(await run('status b --watch=100ms'), await run('status b'))
  const gone = await run('status --watch=100ms a -o', { onOut: () => { links.links.delete('a') } })
  t.match(gone, { code: 1, out: /OVERVIEW/, err: 'kshadow: there is no link a\nkshadow: `kshadow list` shows the links there are\n' })
  const other = await listening(t, createServer((_request, response) => response.writeHead(404).end('{}')))
  t.match(await runCommand(['status', 'a', '--watch=100ms', '--admin', `127.0.0.1:${other}`]), { code: 1, err: /is not the admin port of a kshadow/ })
})

test('status and describe say why auto did not come to replica', async t => {
  const { run } = await kshadow(t, link('a', { appendModeReason: 'this kshadow has no shadow_leader section (add it)' }))
  for (const command of ['status a -o', 'describe a -o']) {
    t.match((await run(command)).out, /APPEND MODE +produce, not replica: this kshadow has no shadow_leader section \(add it\)\n/, command)
    t.match(JSON.parse((await run(`${command} --output json`)).out), { overview: { append_mode: 'produce', append_mode_reason: /no shadow_leader section/ } }, command)
  }
})

test('status says which engines could lead at once in place of this one', async t => {
  const row = async (standbys: LinkStatus['standbys'], over: Partial<LinkStatus> = {}): Promise<string | undefined> => {
    const { run } = await kshadow(t, link('a', { appendMode: 'replica', standbys, ...over }))
    return /^STANDBY +(.*)$/m.exec((await run('status a -o')).out)?.[1]
  }
  t.equal(await row(null), '-', 'nobody knows')
  t.equal(await row([]), 'none: no other engine has a broker id of its own')
  t.equal(await row([{ brokerId: 3001, partitions: 12, inSyncPartitions: 11 }]), 'broker 3001, in sync with 11 of 12 partitions')
  t.equal(await row(null, { appendMode: 'produce' }), undefined)
  const { run } = await kshadow(t, link('a', { appendMode: 'replica', standbys: [{ brokerId: 3001, partitions: 12, inSyncPartitions: 11 }] }))
  t.match(JSON.parse((await run('status a -o --output json')).out), { overview: { standbys: [{ broker_id: 3001, partitions: 12, in_sync_partitions: 11 }] } })
})

test('watch without an interval does not take the link for one, and JSON is a line each', async t => {
  const { run } = await kshadow(t, link('a'))
  const abort = new AbortController()
  const outcome = await run('status --watch a -o --output json', { signal: abort.signal, onOut: () => abort.abort(new SignalError('SIGTERM')) })
  t.equal(outcome.code, 143)
  t.match(outcome.out, /^\{"overview":\{"name":"a".*\}\}\n$/)
})

test('the status shows what was copied between schema registries', async t => {
  const summary = { startTime: '2026-01-01T00:00:00.000Z', finishTime: '2026-01-01T00:01:00.000Z', subjectVersionsChanged: 12, compatibilityConfigsChanged: 1, modesChanged: 0, unsupportedFeaturesRemoved: 0, errors: 1 }
  const schemaRegistry = {
    sourceUrl: 'https://source:8081',
    shadowUrl: 'https://shadow:8081',
    contexts: ['.'],
    inventory: { selectedSourceSubjects: 5, selectedSourceSubjectVersions: 12, destinationSubjects: 4, destinationSubjectVersions: 11 },
    skippedSubjects: 2,
    currentSync: { syncType: 'TAIL', subjectsLeft: 3, summary: { ...summary, finishTime: null } },
    lastFullSync: summary,
    totalsSinceTaskStart: { ...summary, finishTime: null },
    problems: [{ subject: 'orders-value', problem: 'version 1 has id 7, which is taken' }],
    problemCount: 1,
    openedAt: null
  } as const
  const { run } = await kshadow(t, link('a', { schemaRegistry }))
  const { out } = await run('status a --print-registry')
  t.match(out, /SCHEMA REGISTRY\n=+\n/)
  t.match(out, /VERSIONS +12 on the source, 11 the same on the shadow/)
  t.match(out, /CURRENT SYNC +TAIL, 3 subjects left/)
  t.match(out, / {2}- orders-value: version 1 has id 7, which is taken/)
  t.match(JSON.parse((await run('status a --output json')).out), { schema_registry: { inventory: { destination_subject_versions: 11 }, last_full_sync: { subject_versions_changed: 12 }, problem_count: 1, opened_at: null } })
})
