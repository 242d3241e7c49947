/** What an outside process needs to be a broker, on real clusters: their controllers, their metadata, and a life among brokers. */
import { randomBytes } from 'node:crypto'
import { test, type Test } from 'tap'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { DescribeQuorum } from '../../protocol/messages/describe-quorum.ts'
import { alterTopicConfigs } from '../../src/client/admin/alter-topic-configs.ts'
import { deleteTopic } from '../../src/client/admin/delete-topic.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { BrokerLife, type BrokerLifeOptions } from '../../src/kraft/broker-life.ts'
import { allocateProducerIds } from '../../src/kraft/commands/allocate-producer-ids.ts'
import { alterPartition } from '../../src/kraft/commands/alter-partition.ts'
import { Controllers } from '../../src/kraft/controllers.ts'
import { discoverControllers, knownControllers } from '../../src/kraft/locate-controllers.ts'
import { MetadataFollower } from '../../src/kraft/metadata/metadata-follower.ts'
import type { MetadataImage, PartitionEntry } from '../../src/kraft/metadata/metadata-image.ts'
import { DESCRIBE_QUORUM_BODY, quorumView } from '../../src/kraft/quorum-view.ts'
import { interBrokerListener } from '../../src/kraft/registered-brokers.ts'
import { createLogger, silentLogger } from '../../src/observability/logger.ts'
import { KafkaCluster, type KafkaVersion } from '../support/kafka-cluster.ts'
import { until } from '../support/shadow-pair.ts'

const signal = new AbortController().signal
const OUR_ID = 3000
const SNAPSHOT_CONFIG = { 'metadata.log.max.record.bytes.between.snapshots': '500', 'metadata.log.max.snapshot.interval.ms': '1000' }

/** In Kafka's text form, and never with a dash at its beginning. */
function uuid (): string {
  return `A${randomBytes(16).toString('base64url').slice(1, 21)}A`
}

interface Outside {
  readonly kafka: KafkaCluster
  readonly cluster: Cluster
  readonly controllers: Controllers
  readonly metadata: MetadataFollower
  readonly start: (overrides?: Partial<BrokerLifeOptions>) => BrokerLife
  readonly identity: Pick<BrokerLifeOptions, 'incarnationId' | 'logDirId'>
}

async function setUp (t: Test, version: KafkaVersion, controllerCount: number, config: Readonly<Record<string, string>>): Promise<Outside> {
  const kafka = await KafkaCluster.start({ version, brokers: 1, controllers: controllerCount, name: 'kraft', config })
  const cluster = new Cluster({ bootstrapServers: kafka.bootstrapServers, clientId: 'test', logger: silentLogger, metadataMaxAgeMs: 100 })
  const controllers = new Controllers({ locate: discoverControllers(cluster), clientId: 'test', logger: silentLogger })
  const metadata = MetadataFollower.start(controllers, { logger: silentLogger })
  const lives: BrokerLife[] = []
  t.teardown(async () => {
    await Promise.all(lives.map(life => life.stop()))
    await metadata.stop()
    await controllers.close()
    await cluster.close()
    await kafka.stop()
  })
  const identity = { incarnationId: uuid(), logDirId: uuid() }
  const listener = interBrokerListener(await metadata.reached(0, signal), { brokerId: OUR_ID, configured: null })
  t.same(listener, { name: 'PLAINTEXT', securityProtocol: 0 })
  const start = (overrides: Partial<BrokerLifeOptions> = {}): BrokerLife => {
    const life = BrokerLife.start(controllers, metadata, {
      brokerId: OUR_ID, clusterId: kafka.clusterId, ...identity, endpoint: { ...listener, host: '127.0.0.1', port: 1 }, logger: silentLogger, ...overrides
    })
    lives.push(life)
    return life
  }
  return { kafka, cluster, controllers, metadata, start, identity }
}

/** Through the controller: what the brokers call that may be ourselves. */
async function createTopic (controllers: Controllers, name: string, replicas: readonly number[], options: { readonly partitions?: number, readonly configs?: Readonly<Record<string, string>> } = {}): Promise<void> {
  const { body } = await controllers.request(CreateTopics, {
    topics: [{
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: Array.from({ length: options.partitions ?? 1 }, (_, partitionIndex) => ({ partitionIndex, brokerIds: replicas })),
      configs: Object.entries(options.configs ?? {}).map(([key, value]) => ({ name: key, value }))
    }]
  }, { signal, purpose: 'command', idempotent: false, errorCodeOf: answer => answer.topics[0]?.errorCode ?? -1 })
  if (body.topics[0]?.errorCode !== 0) throw new Error(`${name}: ${body.topics[0]?.errorCode}`)
}

/** The image of somebody who comes later; null unless it began with a snapshot. */
async function imageFromSnapshot (controllers: Controllers): Promise<MetadataImage | null> {
  const lines: string[] = []
  const logger = createLogger({ level: 'info', pretty: false, destination: { write: line => { lines.push(line) } } })
  const follower = MetadataFollower.start(controllers, { logger })
  const image = await follower.reached(0, signal)
  await follower.stop()
  return lines.some(line => line.includes('read a snapshot of the metadata')) ? image : null
}

function partition (metadata: MetadataFollower, topic: string): PartitionEntry {
  const found = metadata.image?.topicsByName.get(topic)?.partitions.get(0)
  if (found === undefined) throw new Error(`no ${topic}-0`)
  return found
}

/** Everything that an image holds, as plain data. */
function contents (image: MetadataImage): unknown {
  return {
    brokers: [...image.brokers.values()].sort((a, b) => a.id - b.id),
    topics: [...image.topics.values()].map(({ id, name, partitions }) => ({ id, name, partitions: [...partitions.values()].sort((a, b) => a.partition - b.partition), configs: [...image.topicConfig(name)].sort() })).sort((a, b) => a.name.localeCompare(b.name)),
    features: [...image.features].sort(),
    nextProducerId: image.nextProducerId
  }
}

async function sameAsBrokersTell (t: Test, { cluster, metadata }: Outside, topic: string): Promise<void> {
  const told = (): unknown => cluster.lastView?.topics.get(topic)?.partitions.map(({ partition, leaderId, leaderEpoch, replicas, isr }) => ({ partition, leader: leaderId, leaderEpoch, replicas, isr }))
  const known = (): unknown => [...metadata.image?.topicsByName.get(topic)?.partitions.values() ?? []].map(({ partition, leader, leaderEpoch, replicas, isr }) => ({ partition, leader, leaderEpoch, replicas, isr }))
  await until(`the image of ${topic} is what brokers tell`, async () => {
    await cluster.refresh({ signal })
    return JSON.stringify(told()) === JSON.stringify(known())
  })
  t.equal(cluster.lastView?.topics.get(topic)?.topicId, metadata.image?.topicsByName.get(topic)?.id)
}

for (const version of ['3.9', '4.1', '4.3'] as const) {
  test(`Kafka ${version} takes us for a broker, and its metadata log tells what its brokers tell`, async t => {
    const outside = await setUp(t, version, version === '4.3' ? 3 : 0, SNAPSHOT_CONFIG)
    const { kafka, cluster, controllers, metadata, start, identity } = outside
    const quorum = await controllers.request(DescribeQuorum, DESCRIBE_QUORUM_BODY, { signal, purpose: 'command', idempotent: true })
    t.equal(quorumView(quorum.body).endpoints.size, kafka.controllerServers.length, 'found through the brokers')
    t.ok((metadata.image?.features.get('metadata.version') ?? 0) > 20)

    await createTopic(controllers, 'plain', [1], { partitions: 3, configs: { 'retention.ms': '1000000' } })
    await alterTopicConfigs(cluster, 'plain', new Map([['retention.ms', null], ['max.message.bytes', '12345']]), { signal })
    await createTopic(controllers, 'gone', [1])
    await deleteTopic(cluster, 'gone', { signal })
    await until('configs and deletion are known', () => metadata.image?.topicConfig('plain').get('max.message.bytes') === '12345' && !metadata.image.topicsByName.has('gone'))
    t.same([...metadata.image?.topicConfig('plain') ?? []], [['max.message.bytes', '12345']])
    await sameAsBrokersTell(t, outside, 'plain')

    const life = start()
    await until('we are unfenced', () => life.state === 'unfenced' && metadata.image?.brokers.get(OUR_ID)?.fenced === false)
    const entry = metadata.image?.brokers.get(OUR_ID)
    t.match(entry, { ...identity, logDirId: undefined, epoch: life.epoch, rack: null, logDirs: [identity.logDirId] })
    t.same([...entry?.endpoints ?? []], [['PLAINTEXT', { host: '127.0.0.1', port: 1, securityProtocol: 0 }]])
    await until('its brokers show us', async () => (await cluster.refresh({ signal })).brokers.has(OUR_ID))
    t.ok(life.heartbeatAgeMs() < 2000)

    const brokerEpoch = life.epoch ?? -1n
    const first = await allocateProducerIds(controllers, { brokerId: OUR_ID, brokerEpoch }, { signal })
    const second = await allocateProducerIds(controllers, { brokerId: OUR_ID, brokerEpoch }, { signal })
    t.equal(second.firstId, first.firstId + BigInt(first.count))
    await until('the block is in the image', () => metadata.image?.nextProducerId === second.firstId + BigInt(second.count))

    await createTopic(controllers, 'ours', [OUR_ID, 1], { configs: { 'min.insync.replicas': '1' } })
    await until('it is known', () => metadata.image?.topicsByName.get('ours')?.partitions.size === 1)
    const { topicId, leader, leaderEpoch, partitionEpoch, isr } = partition(metadata, 'ours')
    t.same({ leader, isr }, { leader: OUR_ID, isr: [OUR_ID, 1] })
    const alteration = { topicId, partition: 0, leaderEpoch, partitionEpoch, isr: [{ brokerId: OUR_ID, brokerEpoch }] }
    const stale = { ...alteration, leaderEpoch: leaderEpoch - 1 }
    t.match(await alterPartition(controllers, { brokerId: OUR_ID, brokerEpoch }, [alteration, { ...stale, partition: 1 }], { signal }), [
      { kind: 'altered', leaderId: OUR_ID, leaderEpoch, isr: [OUR_ID], partitionEpoch: partitionEpoch + 1 }, { kind: 'refused', error: { code: 'BROKER_ERROR' } }
    ])
    await until('the ISR is ours', () => partition(metadata, 'ours').isr.length === 1)
    t.equal(partition(metadata, 'ours').partitionEpoch, partitionEpoch + 1)

    await life.fence({ signal })
    await until('nobody leads', () => partition(metadata, 'ours').leader === -1)
    t.equal(partition(metadata, 'ours').leaderEpoch, leaderEpoch + 1)
    await life.unfence({ signal })
    await until('we lead again', () => partition(metadata, 'ours').leader === OUR_ID)
    t.equal(partition(metadata, 'ours').leaderEpoch, leaderEpoch + 2)
    await sameAsBrokersTell(t, outside, 'ours')
    t.equal(life.setCordoned(true), version === '4.3')
    if (version === '4.3') await until('we are cordoned', () => metadata.image?.brokers.get(OUR_ID)?.cordonedLogDirs[0] === identity.logDirId)

    await life.stop()
    const twin = start({ incarnationId: uuid() })
    await until('another incarnation is refused', () => twin.isIdTaken)
    t.match(twin.problem, /DUPLICATE_BROKER_REGISTRATION.*another process is this broker/)
    await twin.stop()
    const again = start()
    await until('the same incarnation is at home', () => again.state === 'unfenced')
    t.equal(again.epoch, brokerEpoch)
    t.equal(partition(metadata, 'ours').leaderEpoch, leaderEpoch + 2, 'nobody has noticed')

    await until('there is a snapshot', async () => {
      const image = await imageFromSnapshot(controllers)
      return image !== null && metadata.image !== null && JSON.stringify(contents(image), plain) === JSON.stringify(contents(metadata.image), plain)
    })
    await again.stop({ unregister: { signal } })
    t.equal(again.state, 'stopped')
    await until('we are forgotten', () => metadata.image?.brokers.has(OUR_ID) === false)
    t.notOk(partition(metadata, 'ours').isr.includes(OUR_ID) && partition(metadata, 'ours').leader === OUR_ID)
    t.equal(metadata.problem, null)

    if (version === '4.3') await failovers(t, outside)
  })
}

/** Sessions end after 6 s here, and three controllers take turns. */
async function failovers (t: Test, { kafka, cluster, start, metadata }: Outside): Promise<void> {
  const controllers = new Controllers({ locate: knownControllers(kafka.controllerServers), clientId: 'test', logger: silentLogger })
  const follower = MetadataFollower.start(controllers, { logger: silentLogger })
  t.teardown(async () => {
    await follower.stop()
    await controllers.close()
  })
  const life = start()
  await until('we are unfenced', () => life.state === 'unfenced')
  await follower.reached(Number(life.epoch), signal)
  const { epoch } = life
  const fencings: string[] = []
  for (const one of [follower, metadata]) {
    one.onChange(({ brokers, replaced }) => {
      const fenced = one.image?.brokers.get(OUR_ID)?.fenced
      if (replaced || (brokers.has(OUR_ID) && fenced !== false)) fencings.push(`replaced: ${replaced}, fenced: ${fenced}`)
    })
  }
  const nodeOf = (id: number | null) => kafka.controllers.find(node => node.id === id)

  const killed = nodeOf(controllers.activeId)
  await killed?.kill()
  const killedMs = performance.now()
  await until('heartbeats are answered by another one', () => controllers.activeId !== null && controllers.activeId !== killed?.id && life.heartbeatAgeMs() < performance.now() - killedMs)
  t.comment(`after a kill: ${Math.round(performance.now() - killedMs)} ms`)
  await killed?.start()

  const paused = nodeOf(controllers.activeId)
  await paused?.pause()
  const pausedMs = performance.now()
  await until('heartbeats are answered by the third', () => controllers.activeId !== null && controllers.activeId !== paused?.id && life.heartbeatAgeMs() < performance.now() - pausedMs)
  t.comment(`after a pause: ${Math.round(performance.now() - pausedMs)} ms`)
  await createTopic(controllers, 'late', [1])
  await until('both followers go on', () => follower.image?.topicsByName.has('late') === true && metadata.image?.topicsByName.has('late') === true)
  paused?.resume()

  t.same(fencings, [], 'never fenced, and never in doubt')
  t.equal(life.epoch, epoch)
  t.equal(life.state, 'unfenced')
  await life.stop({ unregister: { signal } })
  await until('brokers have forgotten us', async () => !(await cluster.refresh({ signal })).brokers.has(OUR_ID))
}

function plain (_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value instanceof Map ? [...value] : value
}
