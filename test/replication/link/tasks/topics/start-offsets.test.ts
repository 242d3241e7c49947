import { test } from 'tap'
import { ErrorCodes } from '../../../../../protocol/errors/codes.ts'
import { ListOffsets } from '../../../../../protocol/messages/list-offsets.ts'
import type { TopicView } from '../../../../../src/client/cluster.ts'
import type { StartPosition } from '../../../../../src/config/link/topic-sync-options.ts'
import { decideStartOffsets, type StartOffsets } from '../../../../../src/replication/link/tasks/topics/start-offsets.ts'
import { ShadowPair } from '../../../../support/shadow-pair.ts'

const signal = new AbortController().signal
const at = (ms: number): StartPosition => ({ at: 'timestamp', ms, text: '' })

test('copies begin with everything, at the end, or with the first record of a time', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a', 2)
  await pair.createTopic('source', 'b')
  // Each of these has the times ..000, ..001 and so on.
  pair.write('a', 0, 10)
  pair.write('a', 1, 4)
  const decide = async (start: StartPosition): Promise<ReadonlyMap<string, StartOffsets>> => {
    const { topics } = await pair.sourceCluster.refresh({ signal })
    return await decideStartOffsets(pair.sourceCluster, ['a', 'b'].map(name => topics.get(name)).filter((topic): topic is TopicView => topic !== undefined), start, { signal })
  }
  t.same([...await decide({ at: 'earliest' })], [['a', null], ['b', null]])
  t.same([...await decide({ at: 'latest' })], [['a', [10, 4]], ['b', [0]]])
  t.same([...await decide(at(1_700_000_000_003))], [['a', [3, 3]], ['b', [0]]])
  t.same([...await decide(at(1_700_000_000_006))], [['a', [6, 4]], ['b', [0]]], 'past the end: at the end')
  t.same([...await decide(at(4_000_000_000_000))], [['a', [10, 4]], ['b', [0]]], 'in the future: at the end, not at 0')
  t.same([...await decide(at(0))], [['a', [0, 0]], ['b', [0]]], 'before everything: with everything')
  t.teardown(pair.source.onRequest(ListOffsets, () => ({
    transform: answer => ({ ...answer, topics: answer.topics.map(topic => topic.name === 'a' ? topic : { ...topic, partitions: [{ partitionIndex: 0, errorCode: ErrorCodes.LEADER_NOT_AVAILABLE }] }) })
  })))
  const partly = await decide({ at: 'latest' })
  t.same(partly.get('a'), [10, 4])
  t.match(partly.get('b'), { code: 'CLUSTER_UNAVAILABLE', retriable: true }, 'a partition that does not tell keeps its topic waiting, and no other')
})
