/** The way out of append mode replica when no engine ever comes back, by Kafka's own tools alone, as the runbook describes it. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import tap, { test } from 'tap'
import { endOffsets, eventually, linkDocument } from '../support/broker-link.ts'
import { classPath, QUICK_START } from '../support/kafka-jars.ts'
import { replicaScene } from '../support/replica-scene.ts'
import { oneBatch } from '../support/shadow-pair.ts'

tap.setTimeout(250_000)

const SHADOW_LEADER = 3000
const TOOL_MS = 60_000

test('a shadow whose engine is gone for good is opened with the tools of Kafka', async t => {
  const { source, sourceCluster, shadow, client, engine } = await replicaScene(t, { version: '4.3', name: 'way-out', topic: 'orders', partitions: 2 })
  for (const partition of [0, 1]) source.log('orders', partition).append(oneBatch({ records: [{ timestamp: 1, value: Buffer.from('x') }, { timestamp: 2, value: Buffer.from('y') }] }))

  // The source has one broker; the shadow is to have two replicas.
  const document = {
    ...linkDocument('dr', sourceCluster, []),
    topic_metadata_sync_options: { interval: '1s', exclude_default: true, auto_create_shadow_topic_filters: [{ pattern_type: 'LITERAL', filter_type: 'INCLUDE', name: 'orders' }] }
  }
  t.match(await engine.engine.create(document, { dryRun: false }), { appendMode: 'replica' })
  await eventually('all is copied', async () => (await engine.topic('dr', 'orders'))?.partitions.filter(({ shadowEndOffset }) => shadowEndOffset === 2).length === 2)

  const directory = t.testdir()
  const tool = async (name: string, ...args: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)('java', ['-Xmx128m', ...QUICK_START, '-cp', classPath('4.3'), name, '--bootstrap-server', shadow.bootstrap, ...args], { timeout: TOOL_MS })
    t.comment(`${name} ${args.join(' ')}\n${stdout}`)
    return stdout
  }
  const topics = (...args: readonly string[]): Promise<string> => tool('org.apache.kafka.tools.TopicCommand', '--describe', '--topic', 'orders', ...args)
  const living = await topics()
  t.match(living, /Partition: 0\s+Leader: 3000\s+Replicas: [12],[12],3000\s+Isr: 3000/)
  t.match(living, /Adding Replicas: [12],[12]\s+Removing Replicas: 3000/)
  t.equal((await topics('--under-replicated-partitions')).trim(), '', 'what is being moved does not count as under-replicated')

  await engine.stop()
  const signal = AbortSignal.timeout(200_000)
  await eventually('nobody leads', async () => (await client.refresh({ signal })).topics.get('orders')?.partitions.every(({ leaderId }) => leaderId < 0) === true)
  t.equal((await topics('--unavailable-partitions')).match(/Leader: none/g)?.length, 2)

  const file = join(directory, 'partitions.json')
  writeFileSync(file, JSON.stringify({ partitions: [0, 1].map(partition => ({ topic: 'orders', partition })) }))
  t.match(await tool('org.apache.kafka.tools.LeaderElectionCommand', '--election-type', 'unclean', '--path-to-json-file', file), /Successfully completed leader election/)
  await eventually('real brokers alone hold it', async () => (await client.refresh({ signal })).topics.get('orders')?.partitions.every(({ leaderId, replicas, isr }) => leaderId > 0 && leaderId !== SHADOW_LEADER && replicas.length === 2 && !replicas.includes(SHADOW_LEADER) && isr.length === 2) === true)
  t.same(await endOffsets(client, 'orders'), [2, 2], 'nothing is lost')
  await tool('kafka.admin.ConfigCommand', '--alter', '--entity-type', 'topics', '--entity-name', 'orders', '--delete-config', 'min.insync.replicas,unclean.leader.election.enable,retention.ms,retention.bytes,remote.storage.enable')
  await tool('kafka.admin.ConfigCommand', '--describe', '--entity-type', 'topics', '--entity-name', 'orders')
  await promisify(execFile)('java', ['-Xmx128m', ...QUICK_START, '-cp', classPath('4.3'), 'org.apache.kafka.tools.ClusterTool', 'unregister', '--bootstrap-server', shadow.bootstrap, '--id', String(SHADOW_LEADER)], { timeout: TOOL_MS })
  await eventually('3000 is gone', async () => ![...(await client.refresh({ signal })).brokers.keys()].includes(SHADOW_LEADER))
})
