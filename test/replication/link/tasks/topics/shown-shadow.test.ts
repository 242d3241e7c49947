/** How the sync of topics learns what the shadow cluster has: from those who know it, or else from the cluster itself. */
import { test, type Test } from 'tap'
import { Metadata } from '../../../../../protocol/messages/metadata.ts'
import { Cluster } from '../../../../../src/client/cluster.ts'
import { silentLogger } from '../../../../../src/observability/logger.ts'
import type { ShownTopics } from '../../../../../src/replication/append/append-mode.ts'
import { lookAtShadow } from '../../../../../src/replication/link/tasks/topics/shown-shadow.ts'
import { ScriptedPeer } from '../../../../support/scripted-peer.ts'

const signal = new AbortController().signal
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

/** A cluster that shows two brokers and the topics `a` and `odd`, and how many topics each question was for; null for all. */
async function start (t: Test): Promise<{ readonly shadow: Cluster, readonly asked: Array<number | null> }> {
  const peer = await ScriptedPeer.start()
  t.teardown(() => peer.stop())
  const asked: Array<number | null> = []
  const partition = { errorCode: 0, leaderId: 1, leaderEpoch: 1, replicaNodes: [1], isrNodes: [1] }
  peer.on(Metadata, ({ body }) => {
    asked.push(body.topics?.length ?? null)
    return {
      brokers: [{ nodeId: 1, ...peer.address }, { nodeId: 2, ...peer.address }],
      clusterId: 'c',
      controllerId: 1,
      topics: body.topics !== null
        ? []
        : [
            { name: 'a', topicId: TOPIC_ID, errorCode: 0, partitions: [{ ...partition, partitionIndex: 0 }, { ...partition, partitionIndex: 1 }] },
            { name: 'odd', errorCode: 5, partitions: [] },
            { name: 'none', errorCode: 3, partitions: [] }
          ]
    }
  })
  const shadow = new Cluster({ bootstrapServers: [peer.address], clientId: 'test', logger: silentLogger })
  t.teardown(() => shadow.close())
  await shadow.refresh({ signal })
  asked.length = 0
  return { shadow, asked }
}

const known: ShownTopics = topic => topic === 'known' ? { topicId: TOPIC_ID, partitionCount: 7, errorCode: 0 } : null

test('a cluster whose topics are known is asked for its brokers alone', async t => {
  const { shadow, asked } = await start(t)
  const shown = await lookAtShadow(shadow, { shownTopics: () => known }, { signal })
  t.same(asked, [0])
  t.equal(shown.brokerCount, 2)
  t.match(shown.topic('known'), { partitionCount: 7 })
  t.equal(shown.topic('a'), null, 'the last view of the cluster is not mixed with what is known')
})

test('a cluster whose topics are not known is asked for all of them', async t => {
  const { shadow, asked } = await start(t)
  const shown = await lookAtShadow(shadow, { shownTopics: () => null }, { signal })
  t.same(asked, [null])
  t.equal(shown.brokerCount, 2)
  t.same(shown.topic('a'), { topicId: TOPIC_ID, partitionCount: 2, errorCode: 0 })
  t.same(shown.topic('odd'), { topicId: null, partitionCount: 0, errorCode: 5 })
  t.equal(shown.topic('none'), null)
  t.equal(shown.topic('known'), null)
})

test('what is not known any more by the time the brokers have answered is asked for', async t => {
  const { shadow, asked } = await start(t)
  const answers = [known, null]
  const shown = await lookAtShadow(shadow, { shownTopics: () => answers.shift() ?? null }, { signal })
  t.same(asked, [0, null])
  t.equal(shown.topic('known'), null)
  t.match(shown.topic('a'), { partitionCount: 2 })
})
