/** A secret that a link is given, on a real cluster: what its brokers have on disk, and who can use it. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { STATE_PARTITION, STATE_TOPIC } from '../../src/state/state-topic.ts'
import { BrokerEngine, createSourceTopic, eventually, linkDocument, testCluster, untilLevel, type BrokerCluster } from '../support/broker-link.ts'
import { SchemaRegistry } from '../support/schema-registry.ts'
import { sharedClusters, uniqueName } from '../support/shared-clusters.ts'

tap.setTimeout(200_000)

const SECRET = 'correct-horse-battery-staple'

/** All files that the brokers keep of the state topic. */
async function stateFiles (cluster: BrokerCluster, brokerIds: readonly number[]): Promise<string> {
  const texts = brokerIds.map(async id => {
    const directory = cluster.partitionDir(id, STATE_TOPIC, STATE_PARTITION)
    return await Promise.all((await readdir(directory)).map(async name => await readFile(join(directory, name), 'latin1')))
  })
  return (await Promise.all(texts)).flat().join('\n')
}

test('the brokers have a sealed secret only, an engine with the key goes on with it, and one without says what it needs', async t => {
  const { source, shadow } = await sharedClusters(t)
  const [sourceClient, shadowClient] = [testCluster(source), testCluster(shadow)]
  t.teardown(async () => { await Promise.all([sourceClient.close(), shadowClient.close()]) })
  const [theirs, mine] = await Promise.all([SchemaRegistry.start({ basic: { username: 'me', password: SECRET } }), SchemaRegistry.start()])
  t.teardown(async () => { await Promise.all([theirs.stop(), mine.stop()]) })
  theirs.add('orders-value', '"string"', { id: 7 })
  const name = uniqueName('secrets')
  await createSourceTopic(sourceClient, name, 1)
  const secretKeyFile = join(t.testdir(), 'secret.key')
  await writeFile(secretKeyFile, Buffer.alloc(32, 'k').toString('base64'), { mode: 0o600 })
  const start = async (options: { readonly secretKeyFile?: string }): Promise<BrokerEngine> => {
    const engine = await BrokerEngine.start(shadow, { sessionTimeoutMs: 2000, shadowRegistry: mine.url, ...options })
    t.teardown(() => engine.stop())
    return engine
  }

  const first = await start({ secretKeyFile })
  const api = { source_url: theirs.url, tail_interval: '200ms', auth_options: { basic: { username: 'me', password: SECRET } } }
  await first.engine.create({ ...linkDocument(name, source, [name]), schema_registry_sync_options: { shadow_schema_registry_api: api } }, { dryRun: false })
  await eventually('schemas are copied', () => mine.find('orders-value', 1)?.id === 7)
  await first.stop()

  const without = await start({})
  const task = async (): Promise<string> => JSON.stringify((await without.engine.status(name)).tasks.find(({ state }) => state === 'FAULTED')?.reason)
  await eventually('the task says what it needs', async () => /password of link \S+ is sealed with key [0-9a-f]{8}, and this engine has no keys/.test(await task()))
  await untilLevel(sourceClient, shadowClient, [name])
  t.match(await without.topic(name, name), { state: 'ACTIVE' }, 'records are copied all the same')
  await without.stop()

  const second = await start({ secretKeyFile })
  theirs.add('orders-value', '"int"', { id: 8 })
  await eventually('it goes on', () => mine.find('orders-value', 2)?.id === 8)
  const files = await stateFiles(shadow, [...(await shadowClient.refresh({ signal: AbortSignal.timeout(30_000) })).brokers.keys()])
  t.match(files, new RegExp(`link/${name}`))
  t.match(files, /"password":"\$\{sealed:v1:[0-9a-f]{8}:[\w-]+\}"/)
  for (const secret of [SECRET, Buffer.from(`me:${SECRET}`).toString('base64')]) t.notOk(files.includes(secret))
  await second.deleteLink(name)
})
