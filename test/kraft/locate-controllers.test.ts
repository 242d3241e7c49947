import { test, type Test } from 'tap'
import { DescribeQuorum } from '../../protocol/messages/describe-quorum.ts'
import type { ResponseInput } from '../../protocol/schema/api.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { discoverControllers } from '../../src/kraft/locate-controllers.ts'
import { METADATA_TOPIC } from '../../src/kraft/metadata-topic.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { ScriptedPeer, type ScriptedPeerOptions } from '../support/scripted-peer.ts'

const signal = new AbortController().signal

async function setUp (t: Test, options: ScriptedPeerOptions, nodes: ResponseInput<typeof DescribeQuorum>['nodes'], errorCode = 0): Promise<Cluster> {
  const peer = await ScriptedPeer.start(options)
  const replica = (replicaId: number) => ({ replicaId, logEndOffset: 0n })
  peer.on(DescribeQuorum, () => ({
    errorCode, topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0, errorCode: 0, leaderId: 100, leaderEpoch: 1, highWatermark: 1n, currentVoters: [100, 101].map(replica), observers: [replica(1)] }] }], nodes
  }))
  const cluster = new Cluster({ bootstrapServers: [peer.address], clientId: 'test', logger: silentLogger })
  t.teardown(async () => {
    await cluster.close()
    await peer.stop()
  })
  return cluster
}

test('brokers tell where the voters listen; by their first listener, and nobody else', async t => {
  const listener = (name: string, port: number) => ({ name, host: 'h', port })
  const cluster = await setUp(t, {}, [
    { nodeId: 100, listeners: [listener('A', 1), listener('B', 2)] }, { nodeId: 101, listeners: [] }, { nodeId: 1, listeners: [listener('A', 3)] }
  ])
  t.same(await discoverControllers(cluster)({ signal }), [{ host: 'h', port: 1 }])
})

test('where nobody tells, the configuration has to', async t => {
  const silent = await setUp(t, {}, [])
  await t.rejects(discoverControllers(silent)({ signal }), { code: 'SETTING_NEEDED', retriable: false, details: { setting: 'controllers' }, message: /names its controllers \(100, 101\), but not where they listen/ })
  const old = await setUp(t, { versions: { DescribeQuorum: [0, 1] } }, [])
  await t.rejects(discoverControllers(old)({ signal }), { code: 'SETTING_NEEDED', details: { setting: 'controllers' } })
})

test('what a broker answers instead is told', async t => {
  const cluster = await setUp(t, {}, [], 31)
  await t.rejects(discoverControllers(cluster)({ signal }), { code: 'BROKER_ERROR', message: /CLUSTER_AUTHORIZATION_FAILED/ })
})
