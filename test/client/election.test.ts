import { test, type Test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { JoinGroup } from '../../protocol/messages/join-group.ts'
import { LeaveGroup } from '../../protocol/messages/leave-group.ts'
import { SyncGroup } from '../../protocol/messages/sync-group.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { runElection, type Lease } from '../../src/client/group/election.ts'
import { HeldLease } from '../../src/client/group/lease.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts'
import { ScriptedPeer, type ScriptedPeerOptions } from '../support/scripted-peer.ts'

/** Heartbeats every 80 ms. By the clock of a candidate, which stands still unless a test moves it, no lease ends. */
const SESSION_MS = 400

interface Candidate {
  readonly leases: Lease[]
  /** What it was told of why it cannot take part. */
  readonly problems: Array<string | null>
  /** Lets the `lead` of now end, whatever its lease. */
  finish: () => void
  nowMs: number
  elected (): Promise<Lease>
  stop (): Promise<void>
}

interface Fixture {
  readonly peer: ScriptedPeer
  readonly coordinator: ScriptedCoordinator
  /** `lead` ends with its lease, or, if `isStubborn`, only when it is told to. */
  readonly stand: (options?: { readonly isStubborn?: boolean, readonly lead?: (lease: Lease) => Promise<void>, readonly realClock?: boolean }) => Candidate
}

async function start (t: Test, options?: ScriptedPeerOptions): Promise<Fixture> {
  const peer = await ScriptedPeer.start(options)
  t.teardown(() => peer.stop())
  const coordinator = new ScriptedCoordinator(peer)
  const stand: Fixture['stand'] = ({ isStubborn = false, lead, realClock = false } = {}) => {
    const cluster = new Cluster({ bootstrapServers: [peer.address], clientId: 'test', logger: silentLogger })
    const abort = new AbortController()
    const waiters: Array<(lease: Lease) => void> = []
    let taken = 0
    const candidate: Candidate = {
      leases: [],
      problems: [],
      finish: () => {},
      nowMs: 0,
      elected: async () => {
        const index = taken++
        return candidate.leases[index] ?? await new Promise<Lease>(resolve => { waiters.push(resolve) })
      },
      stop: async () => {
        abort.abort()
        candidate.finish()
        await running
        await cluster.close()
      }
    }
    const running = runElection(cluster, {
      groupId: 'g',
      sessionTimeoutMs: SESSION_MS,
      lead: async lease => {
        candidate.leases.push(lease)
        waiters.shift()?.(lease)
        if (lead !== undefined) {
          await lead(lease)
          return
        }
        await new Promise<void>(resolve => {
          candidate.finish = resolve
          if (!isStubborn) lease.signal.addEventListener('abort', () => { resolve() })
        })
      },
      onProblem: problem => { candidate.problems.push(problem) }
    }, { signal: abort.signal, logger: silentLogger, ...(realClock ? {} : { now: () => candidate.nowMs }) })
    t.teardown(() => candidate.stop())
    return candidate
  }
  return { peer, coordinator, stand }
}

function ended (lease: Lease): Promise<unknown> {
  return new Promise(resolve => {
    if (lease.signal.aborted) resolve(lease.signal.reason)
    else lease.signal.addEventListener('abort', () => { resolve(lease.signal.reason) })
  })
}

test('a lease is held until its time is over, by the clock and by the timer, and never again', async t => {
  let nowMs = 1000
  const lease = new HeldLease({ durationMs: 100, sentAtMs: 950, now: () => nowMs })
  t.ok(lease.isHeld())
  nowMs = 1049
  t.ok(lease.isHeld())
  lease.renew(1040)
  lease.renew(900)
  nowMs = 1139
  t.ok(lease.isHeld(), 'the newest request counts')
  nowMs = 1140
  t.notOk(lease.isHeld())
  t.ok(lease.signal.aborted, 'noticed before the timer')
  lease.renew(1140)
  t.notOk(lease.isHeld(), 'it is not taken up again')
  const real = new HeldLease({ durationMs: 20, sentAtMs: performance.now(), now: () => performance.now() })
  real.renew(performance.now())
  t.match(await ended(real), { message: 'the lease has run out' })
  t.notOk(real.isHeld())
  t.notOk(new HeldLease({ durationMs: 20, sentAtMs: 0, now: () => 20 }).isHeld(), 'an answer that took too long')
})

test('of two candidates one leads; when it leaves the other does', async t => {
  const { stand, coordinator, peer } = await start(t)
  const first = stand()
  const lease = await first.elected()
  t.ok(lease.isHeld())
  const second = stand()
  await coordinator.until(() => coordinator.members.size === 2 && !coordinator.isRebalancing)
  await peer.received(Heartbeat, peer.count(Heartbeat) + 4)
  t.same([first.leases.length, second.leases.length], [1, 0])
  t.ok(lease.isHeld(), 'a rebalance that leaves the leader in its place changes nothing')
  await first.stop()
  t.ok(lease.signal.aborted)
  t.equal(peer.count(LeaveGroup), 1)
  t.ok((await second.elected()).isHeld())
  t.equal(coordinator.members.size, 1)
})

test('old and new versions of the group protocol work alike', async t => {
  for (const versions of [{ JoinGroup: [0, 3], SyncGroup: [0, 0], Heartbeat: [0, 0], LeaveGroup: [0, 0], FindCoordinator: [0, 0] }, { LeaveGroup: [0, 2], FindCoordinator: [0, 3], JoinGroup: [0, 6] }, {}] as const) {
    const { stand, coordinator } = await start(t, { versions })
    const candidate = stand()
    t.ok((await candidate.elected()).isHeld())
    await candidate.stop()
    t.equal(coordinator.members.size, 0)
  }
})

test('leadership ends when heartbeats are not answered for long enough, and comes back later', async t => {
  const { stand, coordinator, peer } = await start(t)
  const candidate = stand()
  const lease = await candidate.elected()
  await peer.received(Heartbeat, 2)
  coordinator.silent.add('heartbeat')
  candidate.nowMs += 0.75 * SESSION_MS
  t.notOk(lease.isHeld())
  await ended(lease)
  coordinator.silent.delete('heartbeat')
  t.ok((await candidate.elected()).isHeld())
})

test('answered heartbeats prolong the lease from when they were sent', async t => {
  const { stand, peer } = await start(t)
  const candidate = stand()
  const lease = await candidate.elected()
  for (let round = 0; round < 5; round++) {
    candidate.nowMs += 0.5 * SESSION_MS
    // The heartbeat after the next was sent when the next had been answered, and after the clock was moved.
    await peer.received(Heartbeat, peer.count(Heartbeat) + 3)
    t.ok(lease.isHeld())
  }
})

test('the lease ends by its own timer while a request hangs', async t => {
  const { stand, coordinator, peer } = await start(t)
  const candidate = stand({ realClock: true })
  const lease = await candidate.elected()
  for (const request of ['find', 'join', 'sync', 'heartbeat'] as const) coordinator.silent.add(request)
  t.match(await ended(lease), { message: 'the lease has run out' })
  t.ok(peer.count(Heartbeat) > 0)
  await candidate.stop()
})

test('leadership ends at once when the coordinator has given the place away', async t => {
  for (const code of [ErrorCodes.UNKNOWN_MEMBER_ID, ErrorCodes.ILLEGAL_GENERATION, ErrorCodes.FENCED_INSTANCE_ID]) {
    const { stand, coordinator, peer } = await start(t)
    const candidate = stand()
    const lease = await candidate.elected()
    coordinator.errors.set('heartbeat', code)
    for (const member of coordinator.members) coordinator.expel(member)
    await peer.received(Heartbeat, peer.count(Heartbeat) + 1)
    t.match(await ended(lease), { message: /^Heartbeat g: / })
    coordinator.errors.delete('heartbeat')
    t.ok((await candidate.elected()).isHeld())
    await candidate.stop()
  }
})

test('leadership ends at once when a rebalance makes another the leader', async t => {
  const { stand, coordinator } = await start(t)
  const first = stand()
  const lease = await first.elected()
  coordinator.leader = 'm2'
  const second = stand()
  t.ok((await second.elected()).isHeld())
  t.match(await ended(lease), { message: 'the group has another leader: m2' })
  t.equal(first.leases.length, 1)
})

test('who has not ended its work is not elected again', async t => {
  const { stand, coordinator, peer } = await start(t)
  const candidate = stand({ isStubborn: true })
  const lease = await candidate.elected()
  coordinator.errors.set('heartbeat', ErrorCodes.UNKNOWN_MEMBER_ID)
  await ended(lease)
  coordinator.errors.delete('heartbeat')
  for (const member of coordinator.members) coordinator.expel(member)
  const joins = peer.count(JoinGroup)
  await new Promise(resolve => setTimeout(resolve, 100))
  t.equal(peer.count(JoinGroup), joins, 'it does not even stand')
  candidate.finish()
  t.ok((await candidate.elected()).isHeld())
})

test('work that ends by itself gives leadership to another', async t => {
  const { stand, coordinator } = await start(t)
  let fails: () => void = () => {}
  const first = stand({ lead: async () => { await new Promise<void>((_resolve, reject) => { fails = () => { reject(new Error('it failed')) } }) } })
  const lease = await first.elected()
  const second = stand()
  await coordinator.until(() => coordinator.members.size === 2 && !coordinator.isRebalancing)
  fails()
  t.ok((await second.elected()).isHeld())
  t.notOk(lease.isHeld())
  t.match(lease.signal.reason, { message: 'leading ended by itself' })
  first.finish = fails
  await second.stop()
  await first.elected()
  first.finish = fails
  await first.stop()
})

test('an answer that took longer than the lease elects nobody, and does not keep the leader\'s place', async t => {
  const { stand, peer } = await start(t)
  let isSlow = true
  peer.on(SyncGroup, () => {
    if (isSlow) candidate.nowMs += SESSION_MS
    isSlow = false
    return { errorCode: 0, assignment: Buffer.alloc(0) }
  })
  const candidate = stand()
  t.ok((await candidate.elected()).isHeld())
  t.equal(candidate.leases.length, 1)
  t.equal(peer.count(SyncGroup), 2)
})

test('errors of the coordinator are waited out, without leaving the group', async t => {
  const { stand, coordinator, peer } = await start(t)
  coordinator.errors.set('find', ErrorCodes.COORDINATOR_NOT_AVAILABLE)
  const candidate = stand()
  await peer.received(FindCoordinator, 2)
  coordinator.errors.delete('find')
  coordinator.errors.set('join', ErrorCodes.COORDINATOR_LOAD_IN_PROGRESS)
  await peer.received(JoinGroup, 2)
  coordinator.errors.set('join', ErrorCodes.GROUP_AUTHORIZATION_FAILED)
  await peer.received(JoinGroup, peer.count(JoinGroup) + 1)
  coordinator.errors.delete('join')
  coordinator.errors.set('sync', ErrorCodes.REBALANCE_IN_PROGRESS)
  await peer.received(SyncGroup, 2)
  coordinator.errors.delete('sync')
  const lease = await candidate.elected()
  const joins = peer.count(JoinGroup)
  coordinator.errors.set('heartbeat', ErrorCodes.NOT_COORDINATOR)
  const finds = peer.count(FindCoordinator)
  await peer.received(FindCoordinator, finds + 2)
  coordinator.errors.delete('heartbeat')
  await peer.received(Heartbeat, peer.count(Heartbeat) + 2)
  for (const { socket } of peer.connections) socket.destroy()
  await peer.received(Heartbeat, peer.count(Heartbeat) + 2)
  t.ok(lease.isHeld())
  t.equal(peer.count(JoinGroup), joins)
  t.equal(candidate.leases.length, 1)
})

test('stopping ends a join that hangs, and leaves the group if it can', async t => {
  const { stand, coordinator, peer } = await start(t)
  const first = stand()
  await first.elected()
  coordinator.errors.set('heartbeat', 0)
  const second = stand()
  await peer.received(JoinGroup, 4)
  t.ok(coordinator.isRebalancing, 'the first does not hear of it')
  await second.stop()
  t.same([...coordinator.members], ['m1'])
  coordinator.errors.delete('heartbeat')
  coordinator.silent.add('leave')
  await first.stop()
  const third = stand()
  await peer.stop()
  await third.stop()
  t.pass('nobody to ask is no reason to hang')
})

test('what keeps a candidate out for good is told at once, and taken back when it is over', async t => {
  const { stand, coordinator, peer } = await start(t)
  coordinator.errors.set('join', ErrorCodes.INVALID_SESSION_TIMEOUT)
  const candidate = stand()
  await peer.received(JoinGroup, 2)
  t.match(candidate.problems[0], /^JoinGroup g: INVALID_SESSION_TIMEOUT \(the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms do not allow 400 ms\)$/)
  coordinator.errors.delete('join')
  await candidate.elected()
  await peer.received(Heartbeat, 1)
  t.equal(candidate.problems.at(-1), null)
})

test('what passes within a session is told nobody; what lasts is', async t => {
  const { stand, coordinator, peer } = await start(t)
  const leader = stand()
  await leader.elected()
  const candidate = stand()
  await coordinator.until(() => coordinator.members.size === 2 && !coordinator.isRebalancing)
  coordinator.errors.set('heartbeat', ErrorCodes.COORDINATOR_LOAD_IN_PROGRESS)
  await peer.received(Heartbeat, peer.count(Heartbeat) + 4)
  t.ok(candidate.problems.every(problem => problem === null))
  candidate.nowMs = SESSION_MS + 1
  await coordinator.until(() => candidate.problems.at(-1)?.startsWith('Heartbeat g: COORDINATOR_LOAD_IN_PROGRESS') === true)
  coordinator.errors.delete('heartbeat')
  await coordinator.until(() => candidate.problems.at(-1) === null)
})
