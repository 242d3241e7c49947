import { test } from 'tap'
import { SignalError } from '../../src/cli/terminal.ts'
import { ShadowError } from '../../src/errors.ts'
import { link, topic } from '../admin/fake-links.ts'
import { kshadow } from './kshadow.ts'

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
  t.same(JSON.parse(out), { link: 'a', done: false, otherwise: [], topics: [{ name: 'orders', state: 'FAILING_OVER', duration_ms: null, already: false, problem: 'no leader' }] })
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
  t.same(JSON.parse(out), { link: 'a', done: false, otherwise: [], topics: [{ name: 'orders', state: 'PROMOTING', duration_ms: null, already: false, problem: 'partition 0 grows' }] })
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

test('a failover of the link leaves the topic of a schema registry, says so, and waits for a registry that is given back', async t => {
  const { run } = await kshadow(t, link('a', { state: 'FAILED_OVER', topics: [topic('orders', { state: 'FAILED_OVER' }), topic('_schemas')] }))
  const { code, out, err } = await run('failover a --all --no-confirm')
  t.equal(code, 0)
  t.match(out, /orders/)
  t.notMatch(out, /_schemas/)
  t.match(err, /_schemas stays a read-only shadow: .*`kshadow failover a --topic _schemas`/)
})

test('a promotion that became a failover meanwhile is a failure, and the topic is named', async t => {
  const { run, links } = await kshadow(t, link('a', { topics: [topic('orders', { state: 'PROMOTING' }), topic('payments', { state: 'PROMOTING' })] }))
  links.status = async () => link('a', { state: 'FAILED_OVER', topics: [topic('orders', { state: 'FAILED_OVER' }), topic('payments', { state: 'PROMOTED' })] })
  const said = 'kshadow: orders is FAILED_OVER, not PROMOTED: it was opened with what it had, which need not be all that the source has\n'
  for (const which of ['--all', '--filter orders payments']) {
    const text = await run(`promote a ${which} --no-confirm`)
    t.equal(text.code, 1, which)
    t.ok(text.err.endsWith(said), text.err)
    const json = await run(`promote a ${which} --no-confirm --output json`)
    t.equal(json.code, 1)
    t.match(JSON.parse(json.out), { done: false, otherwise: ['orders'], topics: [{ name: 'orders', state: 'FAILED_OVER' }, { name: 'payments', state: 'PROMOTED' }] })
  }
})

test('a topic that was failed over before the promotion counts where it is named, and is told of where it is only among those selected', async t => {
  const { run } = await kshadow(t, link('a', { state: 'FAILED_OVER', topics: [topic('orders', { state: 'FAILED_OVER' }), topic('payments', { state: 'PROMOTED' })] }))
  t.match(await run('promote a --all --no-confirm'), { code: 0, out: /orders {4}FAILED_OVER {2}before/, err: 'orders was FAILED_OVER before, with what was there then, and is not promoted\n' })
  t.same(JSON.parse((await run('promote a --filter orders payments --no-confirm --output json')).out), {
    link: 'a',
    done: true,
    otherwise: [],
    topics: [{ name: 'orders', state: 'FAILED_OVER', duration_ms: null, already: true, problem: null }, { name: 'payments', state: 'PROMOTED', duration_ms: null, already: true, problem: null }]
  })
  t.match(await run('promote a --topic orders --no-confirm'), { code: 1, err: /^kshadow: orders is FAILED_OVER, not PROMOTED: / })
  t.match(await run('promote a --topic orders --no-confirm --no-wait'), { code: 1, err: /^kshadow: orders is FAILED_OVER, not PROMOTED: / })
  t.match(await run('promote a --topic payments --no-confirm'), { code: 0, err: '' })
})

test('for a failover a topic that was promoted is as good', async t => {
  const { run, links } = await kshadow(t, link('a', { topics: [topic('orders', { state: 'FAILING_OVER' }), topic('payments', { state: 'PROMOTED' })] }))
  links.status = async () => link('a', { state: 'FAILED_OVER', topics: [topic('orders', { state: 'PROMOTED' }), topic('payments', { state: 'PROMOTED' })] })
  t.match(await run('failover a --all --no-confirm'), { code: 0 })
  links.status = async () => link('a', { state: 'FAILED_OVER', topics: [topic('orders', { state: 'FAILED_OVER', owned: false }), topic('payments', { state: 'PROMOTED', owned: false })] })
  t.match(await run('failover a --all --no-confirm'), { code: 0 }, 'and one that was taken out of the link then is open, too')
})

test('a topic that leaves the link while it is promoted is a failure, and is named', async t => {
  const { run, links } = await kshadow(t, link('a', { topics: [topic('orders', { state: 'PROMOTING' }), topic('payments', { state: 'PROMOTING' })] }))
  links.status = async () => link('a', { state: 'FAILED_OVER', topics: [topic('orders', { state: 'FAILED_OVER', owned: false }), topic('payments', { state: 'PROMOTED' })] })
  for (const which of ['--all', '--topic orders']) {
    const { code, out, err } = await run(`promote a ${which} --no-confirm --output json`)
    t.equal(code, 1)
    t.match(JSON.parse(out), { done: false, otherwise: ['orders'] })
    t.match(err, /kshadow: orders is no shadow topic of the link any more: it was taken out of it meanwhile\n$/)
  }
})

test('who stops to watch is told that the engine goes on', async t => {
  for (const [line, state] of [['promote', 'PROMOTING'], ['failover', 'FAILING_OVER']] as const) {
    const { run, links } = await kshadow(t, link('a', { topics: [topic('orders', { state })] }))
    const abort = new AbortController()
    const status = links.status.bind(links)
    links.status = async name => {
      abort.abort(new SignalError('SIGINT'))
      return await status(name)
    }
    t.same(await run(`${line} a --all --no-confirm`, { signal: abort.signal }), { code: 130, out: '', err: `kshadow: the ${line === 'promote' ? 'promotion' : 'failover'} has begun, and goes on in the engine: \`kshadow status a\` shows how far it is\n` })
  }
})

test('who does not wait for the answer to an order is told that it may be carried out', async t => {
  const { run, links } = await kshadow(t, link('a'))
  const abort = new AbortController()
  links.promote = async () => {
    abort.abort(new SignalError('SIGTERM'))
    return await new Promise(() => {})
  }
  t.same(await run('promote a --all --no-confirm', { signal: abort.signal }), { code: 143, out: '', err: 'kshadow: what was asked for may be carried out all the same: look at the status before you repeat it\n' })
})
