import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { AdminClient } from '../../src/cli/admin-client.ts'
import { SignalError } from '../../src/cli/terminal.ts'
import { ShadowError } from '../../src/errors.ts'
import type { GroupStatus } from '../../src/replication/link-service.ts'
import { FakeLinks, link, partition, report, topic } from '../admin/fake-links.ts'
import { startAdmin } from '../admin/start-admin.ts'
import { keysOf, kshadow } from './kshadow.ts'
import { runCommand } from './run-command.ts'

async function listening (t: Test, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => new Promise(resolve => {
    server.close(resolve)
    for (const socket of sockets) socket.destroy()
  }))
  const address: AddressInfo | string | null = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

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

test('status and describe say why auto did not come to replica', async t => {
  const { run } = await kshadow(t, link('a', { appendModeReason: 'this kshadow has no shadow_leader section (add it)' }))
  for (const command of ['status a -o', 'describe a -o']) {
    t.match((await run(command)).out, /APPEND MODE +produce, not replica: this kshadow has no shadow_leader section \(add it\)\n/, command)
    t.match(JSON.parse((await run(`${command} --output json`)).out), { overview: { append_mode: 'produce', append_mode_reason: /no shadow_leader section/ } }, command)
  }
})

test('check shows every line, and what to do below it', async t => {
  const { run, links } = await kshadow(t)
  const file = join(t.testdir(), 'link.yaml')
  await writeFile(file, 'name: dr\nclient_options: {bootstrap_servers: ["source:9092"]}\n')
  links.lines = [
    { name: 'source', verdict: 'ok', text: 'cluster x answers', advice: null },
    { name: 'topic names', verdict: 'warning', text: 'orders\u001b[2J is taken', advice: 'exclude it' }
  ]
  t.same(await run(`check -c ${file}`), {
    code: 0,
    out: `CHECK        VERDICT  FOUND
source       ok       cluster x answers
topic names  warning  orders\\u001b[2J is taken
                      to do: exclude it

The link can be created: 1 ok, 1 to know of, 0 failed.
`,
    err: ''
  })
  links.lines = [{ name: 'source', verdict: 'failed', text: 'it is not there', advice: 'start it' }]
  t.match(await run(`check -c ${file}`), { code: 1, out: /source +FAILED +it is not there\n +to do: start it\n\nThe link cannot be created: 0 ok, 0 to know of, 1 failed\.\n$/ })
  const { code, out } = await run(`check -c ${file} --output json`)
  t.equal(code, 1)
  t.same(JSON.parse(out), [{ check: 'source', verdict: 'failed', found: 'it is not there', advice: 'start it' }])
  t.match(links.calls, [['check', { name: 'dr', append_mode: 'auto' }], ['check'], ['check']])
  t.match(await run('check'), { code: 2 })
})

test('watch without an interval does not take the link for one, and JSON is a line each', async t => {
  const { run } = await kshadow(t, link('a'))
  const abort = new AbortController()
  const outcome = await run('status --watch a -o --output json', { signal: abort.signal, onOut: () => abort.abort(new SignalError('SIGTERM')) })
  t.equal(outcome.code, 143)
  t.match(outcome.out, /^\{"overview":\{"name":"a".*\}\}\n$/)
})

test('a link that is not there is a failure, whatever its name', async t => {
  const { run, links } = await kshadow(t, link('a'))
  t.same(await run('status b'), { code: 1, out: '', err: 'kshadow: there is no link b\nkshadow: `kshadow list` shows the links there are\n' })
  for (const name of ['../x', '..', '%2e%2e', 'a?force=true', 'a/failover', '😀', 'x'.repeat(300)]) {
    const { code, out, err } = await run(`status ${name}`)
    t.same({ code, out }, { code: 1, out: '' }, name)
    t.match(err, /^kshadow: there is no /)
  }
  t.notOk(links.calls.some(([verb]) => verb !== 'status'))
  t.match(JSON.parse((await run('status b --output json')).err), { code: 'NOT_FOUND', status: 404, detail: 'there is no link b' })
})

test('a failover of all topics is followed to its end', async t => {
  const start = link('a', { topics: [topic('orders'), topic('payments', { state: 'FAILED_OVER' })] })
  const { run, links } = await kshadow(t, start)
  const states = ['FAILING_OVER', 'FAILING_OVER', 'FAILED_OVER'] as const
  let polls = 0
  links.status = async () => {
    if (polls === 1) {
      polls++
      throw new ShadowError('NOT_LEADER', 'no engine leads the links at the moment')
    }
    return link('a', { state: 'FAILED_OVER', topics: [topic('orders', { state: states[Math.min(polls++, 2)] ?? 'ACTIVE' }), topic('payments', { state: 'FAILED_OVER' })] })
  }
  const { code, out, err } = await run('failover a --all --no-confirm')
  t.equal(code, 0)
  t.match(out, /^TOPIC {5}STATE {8}DURATION {2}PROBLEM\norders {4}FAILED_OVER {2}\S+\npayments {2}FAILED_OVER {2}before\n$/)
  t.match(err, /how far it is cannot be asked at the moment, trying again: no engine leads/)
  t.match(err, /orders is FAILED_OVER after /)
  t.same(links.calls, [['failover', 'a', null]])
})

test('a failover that does not end in time is a failure, and the table says what is left', async t => {
  const stuck = link('a', { topics: [topic('orders', { state: 'FAILING_OVER', problem: 'no leader' })] })
  const { run } = await kshadow(t, stuck)
  const { code, out, err } = await run('failover a --topic orders --no-confirm --timeout 10ms --output json')
  t.equal(code, 1)
  t.same(JSON.parse(out), { link: 'a', done: false, topics: [{ name: 'orders', state: 'FAILING_OVER', duration_ms: null, already: false, problem: 'no leader' }] })
  t.match(err, /not every topic is FAILED_OVER after 10ms; the engine goes on with it/)
})

test('topics that the link does not own do not hold up a failover, and are named', async t => {
  const start = link('a', {
    state: 'FAILED_OVER',
    topics: [topic('orders', { state: 'FAILED_OVER' }), topic('taken', { owned: false, state: 'FAULTED', fault: { code: 'NAME_TAKEN', reason: 'it was there before', partition: null, offset: null } })]
  })
  const { run } = await kshadow(t, start)
  t.match(await run('failover a --all --no-confirm'), { code: 0, err: 'taken is no shadow topic and stays as it is: it was there before\n' })
})

test('a failover can be begun and left alone', async t => {
  const { run, links } = await kshadow(t, link('a', { topics: [topic('orders', { state: 'FAILING_OVER' })] }))
  t.match(await run('failover a --topic orders --no-confirm --no-wait'), { code: 0, out: /^Successfully initiated the Fail Over for Shadow Link "a"/ })
  t.same(links.calls, [['failover', 'a', 'orders']])
})

test('a failover is asked about, and only a yes is one', async t => {
  const { run, links } = await kshadow(t, link('a'))
  t.match(await run('failover a --all', { answers: ['n'] }), { code: 1, out: '', err: /^SHADOW TOPIC {2}STATE {3}LAG\norders {8}ACTIVE {2}20\nFail over all shadow topics of link "a"\? This cannot be undone\. \[y\/N\] nothing was failed over\n$/ })
  t.match(await run('failover a --all', { answers: [''] }), { code: 1 })
  t.match(await run('failover a --all', { answers: [] }), { code: 1 })
  t.match(await run('failover a --all'), { code: 2, out: '', err: /there is no terminal to ask at: give --no-confirm/ })
  t.notOk(links.calls.some(([verb]) => verb === 'failover'))
  t.match(await run('failover a --all --no-wait', { answers: ['yes'] }), { code: 0 })
})

test('a failover wants to know of what', async t => {
  const { run, links } = await kshadow(t, link('a'))
  t.match(await run('failover a --no-confirm'), { code: 2, err: /give either --topic TOPIC, --filter PATTERN… or --all/ })
  t.match(await run('failover a --no-confirm --all --topic orders'), { code: 2, err: /give only one of --topic TOPIC, --filter PATTERN… and --all/ })
  t.same(links.calls, [])
})

test('a promotion is followed to its end, and what it waits for is told once', async t => {
  const { run, links } = await kshadow(t, link('a', { topics: [topic('orders', { state: 'PROMOTING' })] }))
  const polls = [
    link('a', { topics: [topic('orders', { state: 'PROMOTING', problem: 'partition 0 grows' })] }),
    link('a', { topics: [topic('orders', { state: 'PROMOTING', problem: 'partition 0 grows' }), topic('new')] }),
    link('a', { topics: [topic('orders', { state: 'PROMOTED' }), topic('new', { state: 'PROMOTED' })] }),
    link('a', { state: 'FAILED_OVER', topics: [topic('orders', { state: 'PROMOTED' }), topic('new', { state: 'PROMOTED' })] })
  ]
  let seen = 0
  links.status = async () => polls[Math.min(seen++, 3)] ?? link('a')
  const { code, out, err } = await run('promote a --all --no-confirm')
  t.equal(code, 0)
  t.match(out, /^TOPIC {3}STATE {5}DURATION {2}PROBLEM\norders {2}PROMOTED {2}\S+\nnew {5}PROMOTED {2}\S+\n$/)
  t.match(err, /^orders: partition 0 grows\norders is PROMOTED after \S+( \S+)?\nnew is PROMOTED after \S+( \S+)?\n$/)
  t.equal(seen, 4, 'the link itself is waited for')
  t.same(links.calls, [['promote', 'a', null]])
})

test('a promotion in which a topic is stopped is a failure as soon as all others are open', async t => {
  const { run } = await kshadow(t, link('a', { topics: [topic('orders', { state: 'PROMOTED' }), topic('bad', { state: 'FAULTED' })] }))
  const { code, err } = await run('promote a --all --no-confirm')
  t.equal(code, 1)
  t.match(err, /kshadow: bad will not be PROMOTED: `kshadow status a` shows the reason, and `kshadow failover` opens a topic with what it has\n$/)
  t.notMatch(err, /after 10m/)
})

test('a promotion that does not end in time is a failure, and goes on', async t => {
  const { run } = await kshadow(t, link('a', { topics: [topic('orders', { state: 'PROMOTING', problem: 'partition 0 grows' })] }))
  const { code, out, err } = await run('promote a --topic orders --no-confirm --timeout 10ms --output json')
  t.equal(code, 1)
  t.same(JSON.parse(out), { link: 'a', done: false, topics: [{ name: 'orders', state: 'PROMOTING', duration_ms: null, already: false, problem: 'partition 0 grows' }] })
  t.match(err, /orders: partition 0 grows\nkshadow: not every topic is PROMOTED after 10ms; the engine goes on with it/)
})

test('a promotion whose topics are all open is not over before the source was asked for new ones', async t => {
  const { run } = await kshadow(t, link('a', { topics: [topic('orders', { state: 'PROMOTED' })] }))
  t.match(await run('promote a --all --no-confirm --timeout 10ms'), { code: 1, err: /every topic is open, but the source was not asked for new ones yet, or not all of its schemas are on the shadow after 10ms/ })
  t.match(await run('promote a --topic orders --no-confirm'), { code: 0, out: /orders {2}PROMOTED {2}before/ })
})

test('a promotion is asked about, and can be begun and left alone', async t => {
  const { run, links } = await kshadow(t, link('a'))
  t.match(await run('promote a --all', { answers: ['n'] }), { code: 1, out: '', err: /Promote all shadow topics of link "a"\? This cannot be undone\. \[y\/N\] nothing was promoted\n$/ })
  t.notOk(links.calls.some(([verb]) => verb === 'promote'))
  t.match(await run('promote a --topic orders --no-wait', { answers: ['yes'] }), { code: 0, out: /^Successfully initiated the Promotion for Shadow Link "a"/ })
  t.same(links.calls.filter(([verb]) => verb === 'promote'), [['promote', 'a', 'orders']])
})

test('delete asks, and forces only where told to', async t => {
  const { run, links } = await kshadow(t, link('a'), link('b'), link('c'))
  t.match(await run('delete a', { answers: ['no'] }), { code: 1, out: '', err: /orders {8}ACTIVE\nDelete this shadow link\? \[y\/N\] nothing was deleted/ })
  t.match(await run('delete a'), { code: 2, err: /give --no-confirm/ })
  t.same(await run('delete a', { answers: ['y'] }).then(({ code, out }) => ({ code, out })), { code: 0, out: 'Shadow Link "a" deleted successfully\n' })
  t.match(await run('delete b --no-confirm'), { code: 0 })
  t.match(await run('delete c -f --output json'), { code: 0, out: '{\n  "name": "c",\n  "deleted": true\n}\n' })
  t.same(links.calls.filter(([verb]) => verb === 'delete'), [['delete', 'a', false], ['delete', 'b', false], ['delete', 'c', true]])
  links.failure = new ShadowError('CONFLICT', 'link d has 3 live shadow topics')
  t.match(await run('delete d --no-confirm'), { code: 1, err: 'kshadow: link d has 3 live shadow topics\n' })
})

test('verify prints what was compared and is content only with all of it', async t => {
  const { run, links } = await kshadow(t, link('a'))
  links.reports = async function * () { yield report() }
  t.same(await run('verify a'), {
    code: 0,
    out: 'orders/0: identical (compared: offsets 0 to 100, 3 batches, 3.0 KiB)\n\n1 partitions, 3 batches, 3.0 KiB compared: identical.\n',
    err: ''
  })
  links.reports = async function * () {
    yield report({ difference: 'offset 7: CRC 1 and 2' })
    yield report({ partition: 1, incomplete: 'the partition has no leader' })
  }
  t.same(await run('verify a --topic orders'), {
    code: 1,
    out: [
      'orders/0: DIFFERENT: offset 7: CRC 1 and 2 (compared: offsets 0 to 100, 3 batches, 3.0 KiB)',
      'orders/1: NOT COMPARED: the partition has no leader (compared: offsets 0 to 100, 3 batches, 3.0 KiB)',
      '',
      '2 partitions, 6 batches, 6.0 KiB compared: 1 with a difference, 1 not compared to the end.',
      ''
    ].join('\n'),
    err: ''
  })
  const { code, out } = await run('verify a --output json')
  t.equal(code, 1)
  t.match(JSON.parse(out), {
    link: 'a',
    partitions: [{ topic: 'orders', partition_id: 0, from_offset: 0, to_offset: 100, batches: 3, bytes: 3072, difference: 'offset 7: CRC 1 and 2', incomplete: null }, { partition_id: 1 }],
    summary: { partitions: 2, batches: 6, bytes: 6144, different: 1, incomplete: 1 }
  })
})

test('nothing compared is nothing proved', async t => {
  const { run } = await kshadow(t, link('a', { topics: [] }))
  t.match(await run('verify a'), { code: 1, out: /Nothing was compared/ })
})

test('a verification that breaks off is a failure', async t => {
  const { run, links } = await kshadow(t, link('a'))
  links.reports = async function * () {
    yield report()
    throw new ShadowError('CLUSTER_UNAVAILABLE', 'the source went away')
  }
  t.match(await run('verify a'), { code: 1, out: /^orders\/0: identical/, err: 'kshadow: the source went away\n' })
  t.notMatch((await run('verify a')).out, /compared: identical\.\n$/)

  const port = await listening(t, createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write(`${JSON.stringify({ kind: 'partition', report: report() })}\n`)
    setImmediate(() => response.end())
  }))
  t.match(await runCommand(['verify', 'a', '--admin', `127.0.0.1:${port}`]), { code: 1, err: /closed the connection before the verification had ended/ })
})

test('verify shows its progress on a terminal, and takes it away', async t => {
  const { run, links } = await kshadow(t, link('a'))
  links.reports = async function * () { yield report() }
  const { err } = await run('verify a', { isTty: true })
  t.match(err, /1 partitions compared/)
  t.ok(err.endsWith('\r\u001b[2K'))
})

test('commands follow to the engine that leads, once', async t => {
  const leader = await kshadow(t, link('a'))
  const standby = await kshadow(t)
  standby.links.leading = false
  standby.links.adminAddress = leader.address
  t.match(await standby.run('status a -o'), { code: 0, out: /^OVERVIEW/ })
  leader.links.leading = false
  leader.links.adminAddress = standby.address
  t.match(await standby.run('failover a --all --no-confirm'), { code: 1, err: /the links are led elsewhere/ })
  t.same([leader, standby].map(({ links }) => links.calls.filter(([verb]) => verb === 'failover').length), [1, 1], 'and not in circles')
  standby.links.adminAddress = standby.address
  t.match(await standby.run('list'), { code: 1, err: /that is the address that was asked.*admin\.advertised/ })
  standby.links.adminAddress = 'not an address'
  t.match(await standby.run('list'), { code: 1, err: /the links are led elsewhere/ })
})

test('a leader that is gone is said to be, and who was asked first is asked again', async t => {
  const standby = await kshadow(t, link('a'))
  standby.links.leading = false
  standby.links.adminAddress = '127.0.0.1:1'
  t.match(await standby.run('list'), { code: 1, err: /led elsewhere, which cannot be reached from here\. If that engine is gone, another one leads once its session has ended .*try again then/ })
  const { server } = await startAdmin(t, new FakeLinks(link('a')))
  standby.links.adminAddress = `127.0.0.1:${server.address.port}`
  const [host = '', port = ''] = standby.address.split(':')
  const client = new AdminClient({ address: { host, port: Number(port) }, signal: new AbortController().signal, user: null })
  t.equal((await client.list()).length, 1, 'by the one that leads')
  await server.stop()
  await t.rejects(client.list(), /which cannot be reached from here/, 'the one that was asked does not know yet')
  standby.links.leading = true
  t.equal((await client.list()).length, 1, 'the one that was asked, which leads now')
})

test('an admin port where nobody listens is told apart from one that is something else', async t => {
  t.match(await runCommand(['list', '--admin', '127.0.0.1:1']), { code: 1, out: '', err: 'kshadow: no kshadow is listening at 127.0.0.1:1: start one with `kshadow run -c FILE`, or give --admin\n' })
  const redpanda = await listening(t, createServer((_request, response) => response.writeHead(404).end('{"message": "Not found", "code": 404}')))
  t.match(await runCommand(['list', '--admin', `http://127.0.0.1:${redpanda}/`]), { code: 1, err: /is not the admin port of a kshadow: it answered GET \/v1\/links with HTTP status 404/ })
  const other = await listening(t, createServer((_request, response) => response.end('[{"name": 7}]')))
  t.match(await runCommand(['list', '--admin', `127.0.0.1:${other}`]), { code: 1, err: /cannot be understood \(0\.name: / })
  const broker = await listening(t, createTcpServer(socket => socket.end(Buffer.from([0, 0, 0, 4, 1, 2, 3, 4]))))
  t.match(await runCommand(['list', '--admin', `127.0.0.1:${broker}`]), { code: 1, err: /does not speak HTTP: is that the port of a broker/ })
  const closing = await listening(t, createTcpServer(socket => socket.destroy()))
  t.match(await runCommand(['failover', 'a', '--all', '--no-confirm', '--admin', `127.0.0.1:${closing}`]), { code: 1, err: /closed the connection before it had answered; what was asked for may have been carried out all the same/ })
})

test('the admin address comes from the option, or else from the environment', async t => {
  const { run, address } = await kshadow(t, link('a'))
  t.match(await runCommand(['list'], { env: { KSHADOW_ADMIN: `http://${address}` } }), { code: 0, out: /^NAME/ })
  t.match(await run('list', { env: { KSHADOW_ADMIN: '127.0.0.1:1' } }), { code: 0 })
  for (const [given, expected] of [['a b', /expected host:port/], ['https://x', /speaks http, not https/], ['127.0.0.1:99999', /expected host:port/], ['/path', /expected host:port/]] as const) {
    t.match(await runCommand(['list', '--admin', given]), { code: 2, out: '', err: expected })
  }
  const secret = await runCommand(['list', '--admin', 'http://me:hunter2@host:1'])
  t.match(secret, { code: 2, err: /must not hold a user or password/ })
  t.notMatch(secret.err, /hunter2/)
})

test('a signal ends a command with its own exit code', async t => {
  const port = await listening(t, createServer(() => {}))
  for (const [name, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
    const abort = new AbortController()
    const outcome = runCommand(['list', '--admin', `127.0.0.1:${port}`], { signal: abort.signal })
    setImmediate(() => abort.abort(new SignalError(name)))
    t.match(await outcome, { code, out: '' })
  }
})

test('a failover of the link leaves the topic of a schema registry, says so, and waits for a registry that is given back', async t => {
  const { run } = await kshadow(t, link('a', { state: 'FAILED_OVER', topics: [topic('orders', { state: 'FAILED_OVER' }), topic('_schemas')] }))
  const { code, out, err } = await run('failover a --all --no-confirm')
  t.equal(code, 0)
  t.match(out, /orders/)
  t.notMatch(out, /_schemas/)
  t.match(err, /_schemas stays a read-only shadow: .*`kshadow failover a --topic _schemas`/)
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
