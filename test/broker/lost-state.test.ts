/** Append mode replica on a real cluster whose state topic somebody deletes while an engine leads. */
import tap, { test } from 'tap'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { WriteRules } from '../../src/proxy/write-rules.ts'
import { STATE_TOPIC } from '../../src/state/state-topic.ts'
import { eventually, linkDocument } from '../support/broker-link.ts'
import { replicaScene } from '../support/replica-scene.ts'
import { oneBatch } from '../support/shadow-pair.ts'

const LINK = 'dr'
const TOPIC = 'orders'

tap.setTimeout(120_000)

test('a state topic that was deleted opens nothing, comes into being again with all that it held, and the link goes on', async t => {
  const { source, sourceCluster, client, engine } = await replicaScene(t, { version: '4.1', name: 'lost-state', topic: TOPIC, partitions: 1 })
  const signal = AbortSignal.timeout(110_000)
  const write = (): void => { source.log(TOPIC, 0).append(oneBatch({ records: [{ timestamp: 1, value: Buffer.from('x') }] })) }
  const copied = async (end: number): Promise<boolean> => (await engine.topic(LINK, TOPIC))?.partitions[0]?.shadowEndOffset === end
  await engine.engine.create(linkDocument(LINK, sourceCluster, [TOPIC]), { dryRun: false })
  write()
  await eventually('it is copied', () => copied(1))
  const leader = [...engine.state.state?.shadowLeaders.keys() ?? []]
  const rules = new WriteRules(engine.state, { staleAfterMs: 60_000 })
  const opened: string[] = []
  const watch = setInterval(() => { if (rules.refusalOf(TOPIC) === null) opened.push(rules.knowledge) }, 1)
  t.teardown(() => { clearInterval(watch) })

  const epoch = engine.state.state?.engine?.epoch ?? 0
  await deleteTopic(client, STATE_TOPIC, { signal })
  await eventually('an engine leads that has written it again', () => engine.state.loss === null && (engine.state.state?.engine?.restoredEpoch ?? 0) >= epoch)
  t.same([...engine.state.state?.shadowLeaders.keys() ?? []], leader, 'it is the same broker as before')
  write()
  await eventually('what came since is copied', () => copied(2))
  t.match(rules.refusalOf(TOPIC), /read-only shadow topic/)
  t.same(opened, [], 'at no moment')
  await engine.engine.failover(LINK, null)
  await eventually('it is open', async () => (await engine.engine.status(LINK)).topics.every(({ state }) => state === 'FAILED_OVER'))
  await eventually('no engine is a broker any more', () => engine.state.state?.shadowLeaders.size === 0)
})
