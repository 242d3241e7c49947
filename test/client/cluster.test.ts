import { test, type Test } from 'tap'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import type { ResponseInput } from '../../protocol/schema/api.ts'
import { Broker } from '../../src/client/broker.ts'
import { Cluster, type ClusterOptions } from '../../src/client/cluster.ts'
import { clusterView, partitionOf } from '../../src/client/cluster-view.ts'
import { retry } from '../../src/client/retry.ts'
import { BrokerError, ShadowError } from '../../src/errors.ts'
import { dialTcp } from '../../src/net/dial.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { ScriptedPeer, type ScriptedPeerOptions } from '../support/scripted-peer.ts'

type MetadataAnswer = ResponseInput<typeof Metadata>

const HEARTBEAT = { groupId: 'g', generationId: 1, memberId: 'm' }
const { signal } = new AbortController()
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

async function startPeer (t: Test, options?: ScriptedPeerOptions): Promise<ScriptedPeer> {
  const peer = await ScriptedPeer.start(options)
  t.teardown(() => peer.stop())
  return peer
}

/** Answers Metadata with these peers as nodes 1, 2 and so on. */
function shows (peers: readonly ScriptedPeer[], more: Partial<MetadataAnswer> = {}): MetadataAnswer {
  return { brokers: peers.map(({ address }, index) => ({ nodeId: index + 1, ...address })), clusterId: 'c', controllerId: 1, topics: [], ...more }
}

function clusterOf (t: Test, peers: readonly ScriptedPeer[], options: Partial<ClusterOptions> = {}): Cluster {
  const cluster = new Cluster({ bootstrapServers: peers.map(({ address }) => address), clientId: 'test', logger: silentLogger, connectionTimeoutMs: 2000, ...options })
  t.teardown(() => cluster.close())
  return cluster
}

/** A cluster of so many peers, each of which answers Heartbeat with its node id as error code. */
async function startCluster (t: Test, count: number, options: Partial<ClusterOptions> = {}): Promise<{ readonly peers: ScriptedPeer[], readonly cluster: Cluster }> {
  const peers = await Promise.all(Array.from({ length: count }, () => startPeer(t)))
  peers.forEach((peer, index) => {
    peer.on(Metadata, () => shows(peers))
    peer.on(Heartbeat, () => ({ errorCode: index + 1 }))
  })
  return { peers, cluster: clusterOf(t, peers.slice(0, 1), options) }
}

/** The error of a request once the end of its connection has been noticed. */
async function settledError (request: () => Promise<unknown>): Promise<ShadowError> {
  for (;;) {
    const error = await request().then(() => null, (error: unknown) => error)
    if (!(error instanceof ShadowError)) throw new Error('the request did not fail as it should')
    if (error.code !== 'CONNECTION_CLOSED') return error
  }
}

test('the view shows all that the answer has, errors and gaps included', async t => {
  const peer = await startPeer(t)
  const partition = { errorCode: 0, leaderId: 1, leaderEpoch: 4, replicaNodes: [1, 2], isrNodes: [1] }
  peer.on(Metadata, ({ body }) => {
    t.equal(body.topics, null)
    t.equal(body.allowAutoTopicCreation, false)
    return shows([peer], {
      topics: [
        { name: 'a', topicId: TOPIC_ID, errorCode: 0, isInternal: true, partitions: [{ ...partition, partitionIndex: 1 }, { ...partition, partitionIndex: 0 }, { ...partition, partitionIndex: 3, leaderId: -1, errorCode: 5 }] },
        { name: 'refused', errorCode: 29, partitions: [] }
      ]
    })
  })
  let nowMs = 100
  const cluster = clusterOf(t, [peer], { now: () => nowMs })
  t.equal(cluster.lastView, null)
  t.equal(cluster.lastContactMs, null)
  const view = await cluster.view({ signal })
  t.match(view, { clusterId: 'c', controllerId: 1, atMs: 100 })
  t.same(view.brokers.get(1), { nodeId: 1, ...peer.address, rack: null })
  t.same(view.topics.get('a')?.partitions.map(({ partition, leaderId, errorCode }) => [partition, leaderId, errorCode]), [[0, 1, 0], [1, 1, 0], [3, -1, 5]])
  t.match(view.topics.get('a'), { topicId: TOPIC_ID, isInternal: true })
  t.match(view.topics.get('refused'), { errorCode: 29, topicId: null, partitions: [] })
  t.equal(cluster.lastContactMs, 100)
  t.match(await cluster.leaderOf('a', 1, { signal }), { leaderId: 1, leaderEpoch: 4, replicas: [1, 2], isr: [1] })
  t.equal(partitionOf(view.topics.get('a'), 3)?.leaderId, -1)
  await t.rejects(cluster.leaderOf('a', 2, { signal }), { code: 'BROKER_ERROR', wireCode: 3, retriable: true })
  await t.rejects(cluster.leaderOf('a', 3, { signal }), { code: 'BROKER_ERROR', wireCode: 5, retriable: true, message: 'Metadata a-3: LEADER_NOT_AVAILABLE (LEADER_NOT_AVAILABLE)' })
  await t.rejects(cluster.leaderOf('none', 0, { signal }), { code: 'BROKER_ERROR', wireCode: 3 })
  await t.rejects(cluster.leaderOf('refused', 0, { signal }), { code: 'BROKER_ERROR', wireCode: 29, retriable: false })
  nowMs += 9999
  t.equal(await cluster.view({ signal }), view, 'young enough')
  nowMs += 1
  t.not(await cluster.view({ signal }), view)
  t.equal(peer.count(Metadata), 2)
})

test('old brokers have no topic ids, and are asked in their own way', async t => {
  for (const version of [0, 1, 9]) {
    const peer = await startPeer(t, { versions: { Metadata: [0, version] } })
    peer.on(Metadata, ({ body }) => {
      t.same(body.topics, version === 0 ? [] : null)
      return shows([peer], { topics: [{ name: 'a', errorCode: 0, partitions: [] }] })
    })
    const view = await clusterOf(t, [peer]).view({ signal })
    t.match(view.topics.get('a'), { topicId: null })
    t.equal(view.controllerId, version === 0 ? -1 : 1)
  }
})

test('a large cluster is taken over in far less than a second', async t => {
  const rows = Array.from({ length: 2000 }, (_, topic) => ({
    name: `t${topic}`,
    topicId: TOPIC_ID,
    errorCode: 0,
    isInternal: false,
    topicAuthorizedOperations: 0,
    unknownTags: [],
    partitions: Array.from({ length: topic === 0 ? 10_000 : 10 }, (_, index) => ({ errorCode: 0, partitionIndex: index, leaderId: 1, leaderEpoch: 1, replicaNodes: [1], isrNodes: [1], offlineReplicas: [], unknownTags: [] })).reverse()
  }))
  const startMs = process.cpuUsage().user
  const view = clusterView({ throttleTimeMs: 0, brokers: [], clusterId: null, controllerId: -1, topics: rows, clusterAuthorizedOperations: 0, errorCode: 0, unknownTags: [] }, 0)
  t.ok(process.cpuUsage().user - startMs < 1_000_000, 'no quadratic work')
  t.equal(view.topics.size, 2000)
  t.equal(partitionOf(view.topics.get('t0'), 9999)?.partition, 9999)
  t.equal(partitionOf(view.topics.get('t0'), 10_000), null)
})

test('refreshes that overlap are one, and an aborted one leaves the others alone', async t => {
  const peer = await startPeer(t)
  let release: (() => void) | undefined
  peer.on(Metadata, async () => {
    await new Promise<void>(resolve => { release = resolve })
    return shows([peer])
  })
  const cluster = clusterOf(t, [peer])
  const abort = new AbortController()
  const aborted = cluster.refresh({ signal: abort.signal })
  const other = cluster.refresh({ signal })
  await peer.received(Metadata, 1)
  abort.abort()
  await t.rejects(aborted, { code: 'ABORTED' })
  await t.rejects(cluster.refresh({ signal: abort.signal }), { code: 'ABORTED' })
  release?.()
  t.equal((await other).clusterId, 'c')
  t.equal(peer.count(Metadata), 1)
})

test('the last view is kept when nobody answers, and the error tells why', async t => {
  const { peers: [peer], cluster } = await startCluster(t, 1)
  const view = await cluster.refresh({ signal })
  await peer?.stop()
  await t.rejects(cluster.refresh({ signal }), { code: 'CLUSTER_UNAVAILABLE', retriable: true, message: /no broker of the cluster answers: .*ECONNREFUSED/ })
  t.equal(cluster.lastView, view)
  await t.rejects(clusterOf(t, []).view({ signal }), { code: 'CLUSTER_UNAVAILABLE' })
})

test('a broker that answers with an error is not the last to be asked', async t => {
  const [bad, worse, good] = await Promise.all([startPeer(t), startPeer(t), startPeer(t)])
  bad.on(Metadata, () => ({ ...shows([]), errorCode: 129 }))
  worse.on(Metadata, ({ connection }) => { connection.socket.destroy(); return null })
  good.on(Metadata, () => shows([good]))
  const cluster = clusterOf(t, [bad, worse, good])
  t.equal((await cluster.refresh({ signal })).brokers.size, 1)
  t.same([bad, worse, good].map(peer => peer.count(Metadata)), [1, 1, 1])
})

test('an empty list of brokers is what it is, and bootstrap servers are asked again after it', async t => {
  const peer = await startPeer(t)
  let isEmpty = true
  peer.on(Metadata, () => shows(isEmpty ? [] : [peer]))
  const cluster = clusterOf(t, [peer])
  t.equal((await cluster.refresh({ signal })).brokers.size, 0)
  await t.rejects(cluster.request(Heartbeat, HEARTBEAT, 1, { signal }), { code: 'CONNECT_FAILED', retriable: true, message: /no node 1/ })
  await t.rejects(cluster.request(Heartbeat, HEARTBEAT, 'controller', { signal }), { code: 'CONNECT_FAILED', message: /no controller that can be reached/ })
  isEmpty = false
  t.equal((await cluster.refresh({ signal })).brokers.size, 1)
})

test('requests go to the node that was named, over one connection for each purpose and lane', async t => {
  const { peers, cluster } = await startCluster(t, 2)
  const ask = async (target: number | 'controller', purpose?: string, lane?: number): Promise<number> => {
    const { body, nodeId } = await cluster.request(Heartbeat, HEARTBEAT, target, { signal, ...(purpose === undefined ? {} : { purpose }), ...(lane === undefined ? {} : { lane }) })
    t.equal(nodeId, body.errorCode)
    return nodeId
  }
  t.equal(await ask('controller'), 1)
  t.same(await Promise.all([ask(2), ask(2, 'fetch'), ask(2, 'fetch', 1), ask(2, 'fetch', 1)]), [2, 2, 2, 2])
  t.equal(peers[1]?.connections.length, 3)
  t.match(await cluster.versionRange(Heartbeat, 2, { signal }), { min: 0, max: 4 })
})

test('any broker means one that is connected, or the next that can be reached', async t => {
  const { peers: [first, second], cluster } = await startCluster(t, 2, { random: () => 0 })
  t.equal((await cluster.request(Heartbeat, HEARTBEAT, 'any', { signal })).nodeId, -1, 'a bootstrap server, before there is metadata')
  await cluster.refresh({ signal })
  await cluster.request(Heartbeat, HEARTBEAT, 2, { signal })
  for (let round = 0; round < 3; round++) t.equal((await cluster.request(Heartbeat, HEARTBEAT, 'any', { signal })).nodeId, 2)
  await second?.stop()
  t.equal((await settledError(() => cluster.request(Heartbeat, HEARTBEAT, 2, { signal }))).code, 'CONNECT_FAILED')
  t.equal((await cluster.request(Heartbeat, HEARTBEAT, 'any', { signal })).body.errorCode, 1)
  await first?.stop()
  t.match(await settledError(() => cluster.request(Heartbeat, HEARTBEAT, 'any', { signal })), { code: 'CLUSTER_UNAVAILABLE', retriable: true })
})

test('the brokers can be asked for alone: the topics stay as they were', async t => {
  const [old, young] = await Promise.all([startPeer(t), startPeer(t)])
  const asked: Array<number | null> = []
  old.on(Metadata, ({ body }) => {
    asked.push(body.topics?.length ?? null)
    return body.topics === null ? shows([old], { topics: [{ name: 'a', topicId: TOPIC_ID, errorCode: 0, partitions: [] }] }) : shows([old, young])
  })
  const cluster = clusterOf(t, [old])
  t.same([...(await cluster.refreshBrokers({ signal })).topics.keys()], ['a'], 'before anything is known, everything is asked for')
  const view = await cluster.refreshBrokers({ signal })
  t.same([...view.brokers.keys()], [1, 2])
  t.same([...view.topics.keys()], ['a'])
  t.same(asked, [null, 0])
  old.on(Metadata, () => shows([], { errorCode: 29 }))
  young.on(Metadata, () => shows([], { errorCode: 29 }))
  await t.rejects(cluster.refreshBrokers({ signal }), { code: 'CLUSTER_UNAVAILABLE', message: /TOPIC_AUTHORIZATION_FAILED/ }, 'every broker was asked')
  t.same([...cluster.lastView?.brokers.keys() ?? []], [1, 2])
  young.on(Metadata, () => shows([young]))
  t.same([...(await cluster.refreshBrokers({ signal })).brokers.keys()], [1], 'one that answers is enough')
})

test('some topics can be asked for alone: what else there is stays as it was, and so does the age of the view', async t => {
  const peer = await startPeer(t)
  const asked: Array<string | null> = []
  const row = (name: string, errorCode: number, partitions: number): MetadataAnswer['topics'][number] => ({
    name, topicId: TOPIC_ID, errorCode, partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({ errorCode: 0, partitionIndex, leaderId: 1, leaderEpoch: 1, replicaNodes: [1], isrNodes: [1] }))
  })
  let partitions = 1
  peer.on(Metadata, ({ body }) => {
    t.equal(body.allowAutoTopicCreation, false)
    asked.push(body.topics?.map(({ name }) => name).join() ?? null)
    const errors: Readonly<Record<string, number>> = { gone: 3, secret: 29, odd: 5 }
    const names = body.topics?.map(({ name }) => name ?? '') ?? ['a', 'b', 'gone', 'secret']
    return shows([peer], { topics: names.map(name => row(name, body.topics === null ? 0 : errors[name] ?? 0, partitions)) })
  })
  let nowMs = 100
  const cluster = clusterOf(t, [peer], { now: () => nowMs })
  await cluster.refreshTopics(['a'], { signal })
  partitions = 2
  nowMs = 200
  const view = await cluster.refreshTopics(['a', 'gone', 'secret', 'odd'], { signal })
  t.same(asked, [null, 'a,gone,secret,odd'], 'before anything is known, everything is asked for')
  t.same([...view.topics].map(([name, topic]) => [name, topic.partitions.length, topic.errorCode]), [['a', 2, 0], ['b', 1, 0], ['odd', 2, 5]], 'what the cluster does not show is not in the view')
  t.equal(view.atMs, 100)
  t.equal(cluster.lastView, view)
})

test('a broker that would make a topic when it is asked for it is asked for all of them', async t => {
  const peer = await startPeer(t, { versions: { Metadata: [0, 3] } })
  let topics = ['a']
  peer.on(Metadata, ({ body }) => {
    t.equal(body.topics, null)
    return shows([peer], { topics: topics.map(name => ({ name, errorCode: 0, partitions: [] })) })
  })
  const cluster = clusterOf(t, [peer])
  await cluster.refresh({ signal })
  topics = ['a', 'b']
  t.same([...(await cluster.refreshTopics(['c'], { signal })).topics.keys()], ['a', 'b'])
  t.equal(peer.count(Metadata), 2)
})

test('a node that turns out to be no real broker is asked for nothing more, however young the view that shows it', async t => {
  const unreal = new Set<number>()
  const { peers, cluster } = await startCluster(t, 3, { now: () => 0, isUnreal: nodeId => unreal.has(nodeId) })
  t.same([...(await cluster.view({ signal })).brokers.keys()], [1, 2, 3])
  for (let asked = 0; asked < 20; asked++) await cluster.request(Heartbeat, HEARTBEAT, 'any', { signal })
  unreal.add(1)
  const before = peers.map(peer => peer.count(Heartbeat))
  for (let asked = 0; asked < 20; asked++) await cluster.request(Heartbeat, HEARTBEAT, 'any', { signal })
  t.equal(peers[0]?.count(Heartbeat), before[0])
  t.same([...(await cluster.view({ signal })).brokers.keys()], [2, 3])
  t.same([...cluster.lastView?.brokers.keys() ?? []], [2, 3])
  t.equal((await cluster.request(Heartbeat, HEARTBEAT, 'controller', { signal })).nodeId, 2, 'another one stands for the controller')
  await t.rejects(cluster.request(Heartbeat, HEARTBEAT, 1, { signal }), { code: 'CONNECT_FAILED', message: /has no node 1/ })
  t.equal(peers[0]?.count(Metadata), 1, 'and nothing was asked anew')
})

test('a request that may have been carried out is never sent again', async t => {
  const { peers, cluster } = await startCluster(t, 3)
  await cluster.refresh({ signal })
  for (const peer of peers) peer.on(CreateTopics, ({ connection }) => { connection.socket.destroy(); return null })
  await t.rejects(cluster.request(CreateTopics, { topics: [] }, 'any', { signal }), { code: 'CONNECTION_CLOSED', retriable: true })
  t.equal(peers.reduce((sum, peer) => sum + peer.count(CreateTopics), 0), 1)
})

test('after a failed dial the next ones fail at once, until the pause is over', async t => {
  let nowMs = 0
  let dials = 0
  const { peers: [peer], cluster } = await startCluster(t, 1, {
    now: () => nowMs,
    random: () => 1,
    dial: (address, options) => {
      dials++
      return dialTcp(address, options)
    }
  })
  await cluster.refresh({ signal })
  await peer?.stop()
  const ask = async (): Promise<unknown> => await cluster.request(Heartbeat, HEARTBEAT, 1, { signal, purpose: 'fetch' })
  dials = 0
  await t.rejects(ask(), { code: 'CONNECT_FAILED', message: /ECONNREFUSED/ })
  await t.rejects(ask(), { code: 'CONNECT_FAILED', retriable: true, message: /the last attempt failed, and the next is in 50 ms \(.*ECONNREFUSED/ })
  t.equal(dials, 1)
  for (const [pauseMs, nextMs] of [[50, 100], [100, 200], [200, 400], [400, 800], [800, 1600], [1600, 2000], [2000, 2000]] as const) {
    nowMs += pauseMs
    await t.rejects(ask(), { message: /ECONNREFUSED/ })
    await t.rejects(ask(), { message: new RegExp(`in ${nextMs} ms`) })
  }
  t.equal(dials, 8)
})

test('a broker that hangs up soon after each connect is not dialled without pause', async t => {
  const { peers: [peer], cluster } = await startCluster(t, 1, { now: () => 0, random: () => 1 })
  await cluster.refresh({ signal })
  peer?.on(Heartbeat, ({ connection }) => { connection.socket.destroy(); return null })
  await t.rejects(cluster.request(Heartbeat, HEARTBEAT, 1, { signal }), { code: 'CONNECTION_CLOSED' })
  await t.rejects(cluster.request(Heartbeat, HEARTBEAT, 1, { signal }), { code: 'CONNECT_FAILED', message: /next is in 50 ms \(the last connection ended with/ })
})

test('those who need the same connection wait for one dial, and may stop waiting', async t => {
  const { peers: [peer], cluster } = await startCluster(t, 1)
  await cluster.refresh({ signal })
  const abort = new AbortController()
  const before = peer?.connections.length ?? 0
  const results = Promise.allSettled([1, 2, 3].map(index => cluster.request(Heartbeat, HEARTBEAT, 1, { signal: index === 1 ? abort.signal : signal, purpose: 'slow' })))
  abort.abort()
  t.match(await results, [{ status: 'rejected', reason: { code: 'ABORTED' } }, { status: 'fulfilled' }, { status: 'fulfilled' }])
  t.equal(peer?.connections.length, before + 1)
})

test('a node that moved is asked at its new address; what it was asked before is still answered', async t => {
  const [old, young] = await Promise.all([startPeer(t), startPeer(t)])
  let current = old
  let release: (() => void) | undefined
  for (const peer of [old, young]) peer.on(Metadata, () => shows([current]))
  old.on(Heartbeat, async () => {
    await new Promise<void>(resolve => { release = resolve })
    return { errorCode: 1 }
  })
  young.on(Heartbeat, () => ({ errorCode: 2 }))
  const cluster = clusterOf(t, [old])
  await cluster.refresh({ signal })
  const pending = cluster.request(Heartbeat, HEARTBEAT, 1, { signal, purpose: 'fetch' })
  await old.received(Heartbeat, 1)
  current = young
  await cluster.refresh({ signal })
  t.equal((await cluster.request(Heartbeat, HEARTBEAT, 1, { signal, purpose: 'fetch' })).body.errorCode, 2)
  release?.()
  t.equal((await pending).body.errorCode, 1)
})

test('connections that are not used are closed, and opened again when needed', async t => {
  const peer = await startPeer(t)
  peer.on(Heartbeat, () => ({ errorCode: 0 }))
  const broker = new Broker(peer.address, { clientId: 'test', connectionTimeoutMs: 2000, maxFrameBytes: undefined, fetchMemory: undefined, dial: undefined, now: () => 0, random: () => 1, logger: silentLogger })
  t.teardown(() => broker.close())
  t.notOk(broker.isConnected)
  const connection = await broker.connection('general', 0, signal)
  t.ok(broker.isConnected)
  broker.closeIdle(60_000)
  t.equal(connection.state, 'ready')
  broker.closeIdle(0)
  t.equal(await connection.closed, 'idle')
  t.notOk(broker.isConnected)
  t.not(await broker.connection('general', 0, signal), connection)
  await broker.drain()
  await t.rejects(broker.connection('general', 0, signal), { code: 'CONNECT_FAILED' })
})

test('a closed cluster fails what is under way and opens nothing', async t => {
  const { peers: [peer], cluster } = await startCluster(t, 1)
  await cluster.refresh({ signal })
  peer?.on(Heartbeat, () => null)
  const pending = cluster.request(Heartbeat, HEARTBEAT, 1, { signal })
  const failed = t.rejects(pending, { code: 'CONNECTION_CLOSED' })
  await peer?.received(Heartbeat, 1)
  await cluster.close()
  await failed
  await t.rejects(cluster.request(Heartbeat, HEARTBEAT, 1, { signal }), { code: 'CONNECT_FAILED', message: /not used any more/ })
  await t.rejects(cluster.refresh({ signal }), { code: 'ABORTED' })
  await t.rejects(cluster.request(Heartbeat, HEARTBEAT, 1, { signal: AbortSignal.abort() }), { code: 'ABORTED' })
})

test('retrying goes on for retriable errors, until the deadline or the signal', async t => {
  const fails = (times: number, error: Error): () => Promise<number> => {
    let calls = 0
    return async () => {
      if (calls++ < times) throw error
      return calls
    }
  }
  const soon = { signal, baseMs: 1, maxMs: 2, random: () => 1 }
  const passing = new BrokerError(3, 'Metadata a')
  t.equal(await retry(fails(3, passing), soon), 4)
  await t.rejects(retry(fails(3, new BrokerError(29, 'Metadata a')), soon), { code: 'BROKER_ERROR', wireCode: 29 })
  await t.rejects(retry(fails(3, new TypeError('a defect')), soon), { message: 'a defect' })
  let nowMs = 0
  await t.rejects(retry(() => { nowMs += 10; return Promise.reject(passing) }, { ...soon, deadlineMs: 35, now: () => nowMs }), passing)
  t.equal(nowMs, 40)
  const abort = new AbortController()
  await t.rejects(retry(() => { abort.abort(); return Promise.reject(new ShadowError('CONNECTION_CLOSED', 'x', { retriable: true })) }, { ...soon, signal: abort.signal }), { code: 'ABORTED' })
})
