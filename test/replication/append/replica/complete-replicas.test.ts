import { test } from 'tap'
import type { BrokerEntry, MetadataImage } from '../../../../src/kraft/metadata/metadata-image.ts'
import { completeReplicas } from '../../../../src/replication/append/replica/replica-placement.ts'

const SHADOW_LEADERS = new Set([3000])

function image (...dead: readonly number[]): MetadataImage {
  const broker = (id: number): [number, BrokerEntry] => [id, {
    id, epoch: 1n, incarnationId: '', endpoints: new Map(), rack: null, fenced: dead.includes(id), inControlledShutdown: false, logDirs: [], cordonedLogDirs: []
  }]
  return {
    brokers: new Map([1, 2, 3, 3000].map(broker)),
    topics: new Map(),
    topicsByName: new Map(),
    features: new Map(),
    nextProducerId: 0n,
    partition: () => null,
    topicConfig: () => new Map(),
    brokerConfig: () => new Map()
  }
}

test('what was left out at a failover is given back, and what nobody remembers goes to who is alive', async t => {
  const complete = (replicas: readonly number[], count: number, preferred: readonly number[], ...dead: readonly number[]): number[] =>
    completeReplicas(replicas, { count, preferred, image: image(...dead), shadowLeaders: SHADOW_LEADERS })
  t.same(complete([1, 2], 2, []), [1, 2])
  t.same(complete([1], 2, [1, 2], 2), [1, 2], 'the one that was left out, dead or not')
  t.same(complete([1], 2, [], 2), [1, 3], 'one that is alive')
  t.same(complete([1], 3, [], 2), [1, 3, 2], 'a dead one if there is no other')
  t.same(complete([1], 9, []), [1, 2, 3], 'never the shadow leader')
  t.same(complete([1], 2, [9]), [1, 2], 'nobody who is not there any more')
  t.same(complete([1, 2, 3], 2, []), [1, 2, 3], 'nothing is taken away')
})
