import { test } from 'tap'
import { verifyPartition, type VerifyOptions } from '../../../src/replication/verify/verify-partition.ts'
import { ShadowPair } from '../../support/shadow-pair.ts'

test('a comparison of nothing is incomplete where the source has something, and complete where it has not', async t => {
  const pair = await ShadowPair.start(t)
  for (const side of ['source', 'shadow'] as const) await pair.createTopic(side, 'a')
  const side = (cluster: VerifyOptions['source']['cluster']): VerifyOptions['source'] => ({ cluster, topicId: null, brokerId: null })
  const compared = () => verifyPartition({ source: side(pair.sourceCluster), shadow: side(pair.shadowCluster), topic: 'a', partition: 0, startOffset: 0, endOffset: null, signal: AbortSignal.timeout(10_000) })
  t.match(await compared(), { fromOffset: 0, toOffset: 0, difference: null, incomplete: null })
  pair.write('a', 0, 3)
  t.match(await compared(), { toOffset: 0, difference: null, incomplete: /^compared up to offset 0: the shadow has none of the source's offsets 0 to 2 yet$/ })
})
