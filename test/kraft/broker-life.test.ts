import { test, type Test } from 'tap'
import { BrokerHeartbeat } from '../../protocol/messages/broker-heartbeat.ts'
import { BrokerRegistration } from '../../protocol/messages/broker-registration.ts'
import { UnregisterBroker } from '../../protocol/messages/unregister-broker.ts'
import { BrokerRegistrationChangeRecord } from '../../protocol/metadata/broker-registration-change-record.ts'
import { RegisterBrokerRecord } from '../../protocol/metadata/register-broker-record.ts'
import type { RequestOf } from '../../protocol/schema/api.ts'
import { featureRanges } from '../../src/kraft/broker-features.ts'
import { BrokerLife, type BrokerLifeOptions } from '../../src/kraft/broker-life.ts'
import { MetadataFollower } from '../../src/kraft/metadata/metadata-follower.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import type { ScriptedPeerOptions } from '../support/scripted-peer.ts'
import { until } from '../support/shadow-pair.ts'
import { setUpQuorum, value, type ScriptedController } from './scripted-quorum.ts'

const signal = new AbortController().signal
const OUR_ID = 3000
const INCARNATION = 'AAAAAAAAAAAAAAAAAAAAAw'
const OTHER_INCARNATION = 'AAAAAAAAAAAAAAAAAAAACQ'
const DIR = 'AAAAAAAAAAAAAAAAAAAACA'

interface Scene {
  readonly first: ScriptedController
  readonly metadata: MetadataFollower
  readonly registrations: Array<RequestOf<typeof BrokerRegistration>>
  readonly heartbeats: Array<RequestOf<typeof BrokerHeartbeat>>
  /** Codes that the next requests are refused with. */
  readonly refuseRegistrations: number[]
  readonly refuseHeartbeats: number[]
  readonly start: (overrides?: Partial<BrokerLifeOptions>) => BrokerLife
}

/** A controller that takes every registration, and fences and unfences as it is asked. */
async function setUp (t: Test, peers: ScriptedPeerOptions = {}): Promise<Scene> {
  const { controllers, first } = await setUpQuorum(t, 1, { peers })
  const registrations: Scene['registrations'] = []
  const heartbeats: Scene['heartbeats'] = []
  const refuseRegistrations: number[] = []
  const refuseHeartbeats: number[] = []
  let isFenced = true
  first.append([register(1, OTHER_INCARNATION, first.endOffset, 'a')])
  first.peer.on(BrokerRegistration, ({ body }) => {
    registrations.push(body)
    const errorCode = refuseRegistrations.shift() ?? 0
    const brokerEpoch = first.endOffset
    if (errorCode === 0) first.append([register(OUR_ID, body.incarnationId, brokerEpoch, body.rack)])
    isFenced = true
    return { throttleTimeMs: 0, errorCode, brokerEpoch: BigInt(brokerEpoch) }
  })
  first.peer.on(BrokerHeartbeat, ({ body }) => {
    heartbeats.push(body)
    const errorCode = refuseHeartbeats.shift() ?? 0
    const wanted = body.wantFence || body.currentMetadataOffset < body.brokerEpoch
    if (errorCode === 0 && wanted !== isFenced) {
      isFenced = wanted
      first.append([value(BrokerRegistrationChangeRecord, { brokerId: OUR_ID, brokerEpoch: body.brokerEpoch, fenced: isFenced ? 1 : -1 })])
    }
    return { throttleTimeMs: 0, errorCode, isCaughtUp: true, isFenced, shouldShutDown: body.wantShutDown }
  })
  const metadata = MetadataFollower.start(controllers, { logger: silentLogger })
  const lives: BrokerLife[] = []
  t.teardown(async () => {
    await Promise.all(lives.map(life => life.stop()))
    await metadata.stop()
  })
  const start = (overrides: Partial<BrokerLifeOptions> = {}): BrokerLife => {
    const life = BrokerLife.start(controllers, metadata, {
      brokerId: OUR_ID, clusterId: 'cluster', incarnationId: INCARNATION, logDirId: DIR, endpoint: { name: 'INTERNAL', host: 'h', port: 1, securityProtocol: 0 }, heartbeatIntervalMs: 20, logger: silentLogger, ...overrides
    })
    lives.push(life)
    return life
  }
  return { first, metadata, registrations, heartbeats, refuseRegistrations, refuseHeartbeats, start }
}

function register (brokerId: number, incarnationId: string, brokerEpoch: number, rack: string | null): Buffer {
  return value(RegisterBrokerRecord, { brokerId, incarnationId, brokerEpoch: BigInt(brokerEpoch), endPoints: [], features: [], rack })
}

test('registers, tells how far its metadata goes, and is unfenced', async t => {
  const { registrations, heartbeats, metadata, start } = await setUp(t)
  const life = start()
  t.equal(life.state, 'registering')
  t.equal(life.heartbeatAgeMs(), Infinity)
  await until('it is unfenced', () => life.state === 'unfenced')
  t.match(registrations, [{ brokerId: OUR_ID, clusterId: 'cluster', incarnationId: INCARNATION, rack: 'a', logDirs: [DIR], previousBrokerEpoch: -1n, listeners: [{ name: 'INTERNAL', host: 'h', port: 1 }] }])
  t.same(registrations[0]?.features.map(({ name, minSupportedVersion, maxSupportedVersion }) => [name, minSupportedVersion, maxSupportedVersion]), [['metadata.version', 1, 1000], ['kraft.version', 0, 1000]])
  t.match(heartbeats[0], { brokerEpoch: 1n, currentMetadataOffset: 1n, wantFence: false })
  t.equal(life.epoch, 1n)
  await until('metadata shows it', () => metadata.image?.brokers.get(OUR_ID)?.fenced === false)
})

test('before version 4 no range of a feature begins with 0', async t => {
  const levels = new Map([['metadata.version', 0], ['kraft.version', 0], ['group.version', 1]])
  t.same(featureRanges(levels, 3), [{ name: 'metadata.version', minSupportedVersion: 1, maxSupportedVersion: 1000 }, { name: 'group.version', minSupportedVersion: 1, maxSupportedVersion: 1000 }])
  t.equal(featureRanges(levels, 4).length, 3)
})

for (const [name, code] of [['STALE_BROKER_EPOCH', 77], ['BROKER_ID_NOT_REGISTERED', 102]] as const) {
  test(`registers anew after ${name}, and says which epoch it had`, async t => {
    const { registrations, refuseHeartbeats, start } = await setUp(t)
    const life = start()
    await until('it is unfenced', () => life.state === 'unfenced')
    const { epoch } = life
    refuseHeartbeats.push(code)
    await until('it has registered again', () => life.state === 'unfenced' && life.epoch !== epoch && life.epoch !== null)
    t.equal(registrations[1]?.previousBrokerEpoch, epoch)
    t.equal(registrations[1]?.incarnationId, INCARNATION)
  })
}

test('waits for the session of another process to end', async t => {
  const { refuseRegistrations, start } = await setUp(t)
  refuseRegistrations.push(101, 101)
  const life = start()
  await until('it is refused', () => life.isIdTaken)
  t.match(life.problem, /DUPLICATE_BROKER_REGISTRATION/)
  t.equal(life.epoch, null)
  await until('it is unfenced', () => life.state === 'unfenced')
  t.equal(life.isIdTaken, false)
  t.equal(life.problem, null)
})

test('nothing goes out while this process may not speak for the broker', async t => {
  let isHeld = false
  const { heartbeats, registrations, start } = await setUp(t)
  const life = start({ mayHeartbeat: () => isHeld })
  await until('it says so', () => life.problem !== null)
  t.match(life.problem, /held back/)
  t.equal(registrations.length, 0)
  isHeld = true
  await until('it is unfenced', () => life.state === 'unfenced')
  isHeld = false
  await until('it says so again', () => life.problem !== null)
  const { length } = heartbeats
  await new Promise(resolve => setTimeout(resolve, 80))
  t.equal(heartbeats.length, length)
  t.ok(life.heartbeatAgeMs() > 50)
})

test('fences and unfences itself as it is told, and says when it is so', async t => {
  const { metadata, heartbeats, start } = await setUp(t)
  const life = start({ startFenced: true })
  await until('it is registered', () => life.state === 'fenced')
  t.equal(heartbeats[0]?.wantFence, true)
  await life.unfence({ signal })
  t.equal(metadata.image?.brokers.get(OUR_ID)?.fenced, false)
  await life.fence({ signal })
  t.equal(life.state, 'fenced')
  t.equal(metadata.image?.brokers.get(OUR_ID)?.fenced, true)
  const abort = new AbortController()
  const stopped = life.unfence({ signal: abort.signal })
  abort.abort()
  await t.rejects(stopped, { code: 'ABORTED' })
})

test('stops without a word, or leaves for good', async t => {
  const { first, heartbeats, start } = await setUp(t)
  const unregistered: number[] = []
  first.peer.on(UnregisterBroker, ({ body }) => {
    unregistered.push(body.brokerId)
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null }
  })
  const life = start()
  await until('it is unfenced', () => life.state === 'unfenced')
  await life.stop()
  t.equal(life.state, 'stopped')
  t.notOk(heartbeats.some(({ wantShutDown }) => wantShutDown))
  t.same(unregistered, [])
  const again = start()
  await until('it is unfenced', () => again.state === 'unfenced')
  await again.stop({ unregister: { signal } })
  t.equal(again.state, 'stopped')
  t.ok(heartbeats.at(-1)?.wantShutDown)
  t.same(unregistered, [OUR_ID])
})

test('does not make the cluster forget somebody else', async t => {
  const { first, refuseHeartbeats, refuseRegistrations, metadata, start } = await setUp(t)
  const life = start()
  await until('it is unfenced', () => life.state === 'unfenced')
  refuseHeartbeats.push(...Array<number>(1000).fill(77))
  refuseRegistrations.push(...Array<number>(1000).fill(101))
  first.append([register(OUR_ID, OTHER_INCARNATION, first.endOffset, null)])
  await until('it has lost its id', () => life.isIdTaken && metadata.image?.brokers.get(OUR_ID)?.incarnationId === OTHER_INCARNATION)
  await t.rejects(life.stop({ unregister: { signal } }), { code: 'CONFLICT', message: /another incarnation/ })
  t.equal(life.state, 'stopped')
})
