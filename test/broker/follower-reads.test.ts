/**
 * Real clients read, at a sidecar, topics whose leader they must not talk to. Broker 3 stands for the engine's shadow leader: it leads the
 * topics, 1 and 2 follow, and the state topic says that it is no real broker. Nothing of the sidecar's clients may ever reach it.
 */
import { connect } from 'node:net'
import { Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka'
import { Kafka, logLevel, type EachMessagePayload } from 'kafkajs'
import tap, { test, type Test } from 'tap'
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { AlterPartitionReassignments } from '../../protocol/messages/alter-partition-reassignments.ts'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { ElectLeaders } from '../../protocol/messages/elect-leaders.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.ts'
import type { ResponseOf } from '../../protocol/schema/api.ts'
import { askController } from '../../src/client/admin/ask-controller.ts'
import { checkAnswer } from '../../src/client/admin/check-answer.ts'
import { parseLinkDocument } from '../../src/config/link-config.ts'
import { dialTcp, type Dial } from '../../src/net/dial.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { Sidecar } from '../../src/proxy/sidecar.ts'
import { StateFollower } from '../../src/state/state-follower.ts'
import { ensureStateTopic } from '../../src/state/state-topic.ts'
import { StateWriter } from '../../src/state/state-writer.ts'
import type { StateChange } from '../../src/state/records.ts'
import type { TopicState } from '../../src/state/topic-state.ts'
import { eventually, testCluster } from '../support/broker-link.ts'
import { runJava } from '../support/java-tool.ts'
import { KafkaCluster } from '../support/kafka-cluster.ts'
import { Program } from '../support/program.ts'
import { RawClient } from '../support/raw-client.ts'
import { sidecarConfig } from '../support/sidecar-config.ts'

tap.setTimeout(280_000)

const SHADOW_LEADER = 3
const NOW = '2026-01-01T00:00:00Z'
const signal = AbortSignal.timeout(270_000)

/** Each with a record every second; a transaction is open in the last one. */
const PLAIN = 'plain'
const OPEN_TRANSACTION = 'open-transaction'
const PARTITIONS = 2
const RECORDS = 40
const FIRST_TIMESTAMP = 1_767_225_600_000
/** A time between records: the first one after it is the 5th of its partition. */
const TIMESTAMP = FIRST_TIMESTAMP + 7500
const OFFSET_AT_TIMESTAMP = 4

const cluster = await KafkaCluster.start({ version: '4.3', brokers: 3, name: 'follower-reads', advertisedHost: 'broker.invalid', config: { 'auto.leader.rebalance.enable': 'false' } })
tap.teardown(() => cluster.stop())
const portOfBroker = (id: number): number => cluster.bootstrapServers[id - 1]?.port ?? 0
const dialBroker: Dial = (address, options) => dialTcp({ host: '127.0.0.1', port: address.port }, options)
/** The ports of brokers that the sidecar connected its clients to. */
const dialed: number[] = []

const admin = testCluster(cluster, dialBroker)
const state = StateFollower.start(admin, { logger: silentLogger })
tap.teardown(async () => {
  await state.stop()
  await admin.close()
})
const sidecar = await Sidecar.start({
  config: sidecarConfig(1, 3),
  cluster: admin,
  connectionTimeoutMs: 5000,
  state,
  logger: silentLogger,
  dial: (address, options) => {
    dialed.push(address.port)
    return dialBroker(address, options)
  }
})
tap.teardown(() => sidecar.stop())
const bootstrap = formatHostPort(sidecar.bootstrap)
const portAtSidecar = (id: number): number => sidecar.status().ports.find(({ nodeId }) => nodeId === id)?.port ?? 0

const direct = new Kafka({ clientId: 'direct', brokers: cluster.bootstrapServers.map(formatHostPort), logLevel: logLevel.NOTHING, socketFactory: ({ port, onConnect }) => connect({ host: '127.0.0.1', port }, onConnect) })
const kafka = new Kafka({ clientId: 'kafkajs', brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 3, initialRetryTime: 50 } })

async function createTopic (name: string, replicas: readonly number[], partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
  await askController(admin, CreateTopics, {
    topics: [{
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, brokerIds: replicas })),
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value }))
    }],
    timeoutMs: 10_000
  }, { signal, check: body => { checkAnswer(body.topics[0], `CreateTopics ${name}`) } })
  await leads(name, replicas[0] ?? 0)
}

async function leads (topic: string, leader: number): Promise<void> {
  await eventually(`${leader} leads ${topic}`, async () => {
    const partitions = (await admin.refresh({ signal })).topics.get(topic)?.partitions ?? []
    return partitions.length > 0 && partitions.every(({ leaderId }) => leaderId === leader)
  })
}

/** Gives all partitions of a topic another leader; its epoch rises by one. */
async function elect (topic: string, replicas: readonly number[], partitions: number): Promise<void> {
  const indexes = Array.from({ length: partitions }, (_, index) => index)
  await askController(admin, AlterPartitionReassignments, { topics: [{ name: topic, partitions: indexes.map(partitionIndex => ({ partitionIndex, replicas })) }] }, {
    signal, check: body => { for (const row of body.responses.flatMap(({ partitions: rows }) => rows)) checkAnswer(row, 'AlterPartitionReassignments') }
  })
  await eventually(`a leader of ${topic} is elected`, async () => {
    await askController(admin, ElectLeaders, { topicPartitions: [{ topic, partitions: indexes }] }, {
      signal, minVersion: 1, check: body => { for (const row of body.replicaElectionResults.flatMap(({ partitionResult }) => partitionResult)) if (row.errorCode !== ErrorCodes.ELECTION_NOT_NEEDED) checkAnswer(row, 'ElectLeaders') }
    })
    return true
  })
  await leads(topic, replicas[0] ?? 0)
}

const writer = new StateWriter(admin, { epoch: 1, signal })

function topicRecord (topic: string, partitions: number, topicState: TopicState): StateChange {
  return {
    kind: 'topic',
    link: 'dr',
    topic,
    value: { link: 'dr', topic, state: topicState, since: NOW, owned: true, sourceTopicId: null, created: true, shadowTopicId: null, partitions, replicationFactor: null, startOffsets: null, configs: {}, fault: null, handingOver: false, pausedWithLink: false, endOffsets: null, refusedConfigs: {}, rollbacks: [] }
  }
}

async function tell (changes: readonly StateChange[]): Promise<void> {
  await state.reached(await writer.write(changes), signal)
}

const values = (topic: string): string[] => Array.from({ length: RECORDS }, (_, number) => `${topic} ${number}`)

/** The order in which partitions are read one after the other. */
const inOrder = (topic: string): string[] => [...values(topic).filter((_, number) => number % PARTITIONS === 0), ...values(topic).filter((_, number) => number % PARTITIONS === 1)]

test('a cluster with topics that broker 3 leads', async () => {
  // What clients of the sidecar need beside topics is on real brokers, as the engine would see to it.
  for (const name of ['__consumer_offsets', '__transaction_state']) await createTopic(name, [1, 2], 1, { 'cleanup.policy': 'compact' })
  await createTopic(PLAIN, [1, 3, 2], PARTITIONS)
  await createTopic(OPEN_TRANSACTION, [1, 3, 2], 1)
  const producer = direct.producer()
  await producer.connect()
  // Not one batch: a timestamp is looked for from batch to batch.
  for (let number = 0; number < RECORDS; number++) {
    const message = { value: `${PLAIN} ${number}`, timestamp: String(FIRST_TIMESTAMP + 1000 * number), partition: number % PARTITIONS }
    await producer.send({ topic: PLAIN, messages: [message] })
  }
  await producer.send({ topic: OPEN_TRANSACTION, messages: values(OPEN_TRANSACTION).map(value => ({ value })) })
  await producer.disconnect()
  const transactional = direct.producer({ transactionalId: 'open', maxInFlightRequests: 1, idempotent: true, transactionTimeout: 600_000 })
  await transactional.connect()
  const transaction = await transactional.transaction()
  await transaction.send({ topic: OPEN_TRANSACTION, messages: values('uncommitted').map(value => ({ value })) })
  // Without the abort of a disconnect, it stays open.
  tap.teardown(() => transactional.disconnect())

  await ensureStateTopic(admin, signal)
  for (const [topic, partitions] of [[PLAIN, PARTITIONS], [OPEN_TRANSACTION, 1]] as const) await elect(topic, [SHADOW_LEADER, 1, 2], partitions)
  const config = parseLinkDocument({ name: 'dr', client_options: { bootstrap_servers: ['source:9092'] }, topic_metadata_sync_options: { auto_create_shadow_topic_filters: [] } }, 'test')
  await tell([
    { kind: 'engine', value: { epoch: 1, instance: 'test', adminAddress: null, since: NOW, restoredEpoch: 0 } },
    { kind: 'shadow-leader', brokerId: SHADOW_LEADER, value: { brokerId: SHADOW_LEADER, incarnationId: 'i', logDirId: 'd', since: NOW, address: null, instance: null } },
    { kind: 'link', name: 'dr', value: { uid: 'u', config, appendMode: 'replica', appendModeReason: null, sourceClusterId: null, createdAt: NOW, failedOverAt: null, promotingAt: null, pausedAt: null, highestProducerId: -1 } },
    topicRecord(PLAIN, PARTITIONS, 'ACTIVE'),
    topicRecord(OPEN_TRANSACTION, 1, 'ACTIVE')
  ])
  dialed.length = 0
})

/** Metadata as clients of the sidecar get it. */
async function shownTo (client: RawClient, topic: string): Promise<ResponseOf<typeof Metadata>> {
  return await client.request(Metadata, 12, { topics: [{ name: topic }], allowAutoTopicCreation: false })
}

test('clients are shown followers as the leaders, in the epoch of the real one', async t => {
  const client = await RawClient.open(sidecar.bootstrap.port)
  t.teardown(() => client.close())
  const { brokers, controllerId, topics } = await shownTo(client, PLAIN)
  t.same(brokers.map(({ nodeId }) => nodeId).sort(), [1, 2])
  t.not(controllerId, SHADOW_LEADER)
  t.match(topics[0]?.partitions, [0, 1].map(() => ({ errorCode: 0, leaderId: 1, leaderEpoch: 1, replicaNodes: [1, 2] })))
})

test('ListOffsets, in every version: a follower says through the sidecar what the leader says', async t => {
  const follower = await RawClient.open(portAtSidecar(2))
  const leader = await RawClient.open(portOfBroker(SHADOW_LEADER))
  t.teardown(() => { follower.close(); leader.close() })
  const timestamps = [-1, -2, FIRST_TIMESTAMP, TIMESTAMP, FIRST_TIMESTAMP + 1_000_000, Date.now() - 1]
  for (let version = 1; version <= 11; version++) {
    const asked = [...timestamps, ...(version >= 7 ? [-3] : []), ...(version >= 8 ? [-4] : []), ...(version >= 9 ? [-5] : [])]
    for (const isolationLevel of version >= 2 ? [0, 1] : [0]) {
      for (const timestamp of asked) {
        const request = {
          replicaId: -1,
          isolationLevel,
          topics: [
            { name: PLAIN, partitions: [0, 1].map(partitionIndex => ({ partitionIndex, timestamp: BigInt(timestamp), ...(version >= 4 ? { currentLeaderEpoch: 1 } : {}) })) },
            { name: OPEN_TRANSACTION, partitions: [{ partitionIndex: 0, timestamp: BigInt(timestamp) }] }
          ]
        }
        const [ours, theirs] = await Promise.all([follower.request(ListOffsets, version, request), leader.request(ListOffsets, version, request)])
        const rows = ({ topics }: typeof ours): unknown[] => topics.flatMap(({ name, partitions }) => partitions.map(row => [name, row.partitionIndex, row.errorCode, row.timestamp, row.offset, row.leaderEpoch])).sort()
        t.same(rows(ours), rows(theirs), `v${version}, isolation level ${isolationLevel}, timestamp ${timestamp}`)
        if (timestamp === -1) t.equal(ours.topics.find(({ name }) => name === OPEN_TRANSACTION)?.partitions[0]?.offset, BigInt(isolationLevel === 0 ? 2 * RECORDS : RECORDS))
      }
    }
  }
})

test('Fetch, in every version: a follower gives through the sidecar what the leader gives', async t => {
  const follower = await RawClient.open(portAtSidecar(2))
  const leader = await RawClient.open(portOfBroker(SHADOW_LEADER))
  t.teardown(() => { follower.close(); leader.close() })
  const request = { maxWaitMs: 1000, minBytes: 1, isolationLevel: 1, topics: [{ topic: OPEN_TRANSACTION, partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1_000_000 }] }] }
  for (let version = 4; version <= 12; version++) {
    const [ours, theirs] = await Promise.all([follower.request(Fetch, version, request), leader.request(Fetch, version, request)])
    t.ok((ours.responses[0]?.partitions[0]?.records?.length ?? 0) > 100)
    t.same(ours, theirs, `v${version}`)
  }
  // Sessions of the versions that have them and that no follower answers.
  for (const version of [7, 10]) {
    const opened = await follower.request(Fetch, version, { ...request, sessionId: 0, sessionEpoch: 0 })
    t.not(opened.sessionId, 0)
    const more = await follower.request(Fetch, version, { ...request, maxWaitMs: 10, topics: [{ topic: PLAIN, partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1_000_000 }] }], sessionId: opened.sessionId, sessionEpoch: 1 })
    t.match(more, { errorCode: 0, sessionId: opened.sessionId })
    t.ok(more.responses.some(({ topic, partitions }) => topic === PLAIN && (partitions[0]?.records?.length ?? 0) > 100))
    const rest = await follower.request(Fetch, version, { ...request, maxWaitMs: 10, topics: [], sessionId: opened.sessionId, sessionEpoch: 2 })
    t.ok(rest.responses.length > 0, 'what was fetched before, and is still wanted')
    t.same(rest.responses.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode)).filter(code => code !== 0), [])
  }
})

test('OffsetForLeaderEpoch, in every version', async t => {
  const follower = await RawClient.open(portAtSidecar(2))
  t.teardown(() => follower.close())
  for (let version = 2; version <= 4; version++) {
    for (const [currentLeaderEpoch, expected] of [[-1, { errorCode: 0, leaderEpoch: 0, endOffset: BigInt(RECORDS / PARTITIONS) }], [1, { errorCode: 0 }], [0, { errorCode: 74 }], [2, { errorCode: 75 }]] as const) {
      const { topics } = await follower.request(OffsetForLeaderEpoch, version, { replicaId: -1, topics: [{ topic: PLAIN, partitions: [{ partition: 1, leaderEpoch: 0, currentLeaderEpoch }] }] })
      t.match(topics, [{ topic: PLAIN, partitions: [{ partition: 1, ...expected }] }])
    }
  }
})

/** What a READ of ReadAll printed. */
function said (stdout: string, read: string): string[] {
  return stdout.split('\n').filter(line => line.startsWith(`${read} `)).map(line => line.slice(read.length + 1))
}

test('Java: assigned, in groups of both protocols, and offsets', async t => {
  const half = RECORDS / 2
  const reads = [`assign:${PLAIN}:${RECORDS}`, `assign:${OPEN_TRANSACTION}:${2 * RECORDS}`, `classic:g-classic:${PLAIN}:${half}`, `consumer:g-consumer:${PLAIN}:${half}`, `offsets:read_committed:${OPEN_TRANSACTION}:${TIMESTAMP}`, `offsets:read_uncommitted:${OPEN_TRANSACTION}:${TIMESTAMP}`, `offsets:read_committed:${PLAIN}:${TIMESTAMP}`]
  const { stdout } = await runJava('kafkashadow.clients.ReadAll', [bootstrap, ...reads])
  t.same(said(stdout, reads[0] ?? ''), inOrder(PLAIN))
  t.same(said(stdout, reads[1] ?? ''), [...values(OPEN_TRANSACTION), ...values('uncommitted')])
  t.same(said(stdout, reads[4] ?? ''), ['begin 0 0', `end 0 ${RECORDS}`, 'time 0 0'])
  t.same(said(stdout, reads[5] ?? ''), ['begin 0 0', `end 0 ${2 * RECORDS}`, 'time 0 0'])
  const end = RECORDS / PARTITIONS
  t.same(said(stdout, reads[6] ?? ''), [0, 1].flatMap(partition => [`begin ${partition} 0`, `end ${partition} ${end}`, `time ${partition} ${OFFSET_AT_TIMESTAMP}`]))

  // The leader changes twice: whoever goes on where it was has to find out whether the log still has that.
  await elect(PLAIN, [1, SHADOW_LEADER, 2], PARTITIONS)
  await elect(PLAIN, [SHADOW_LEADER, 1, 2], PARTITIONS)
  const before = sidecar.status().counters.requests['OffsetForLeaderEpoch'] ?? 0
  const rest = await runJava('kafkashadow.clients.ReadAll', [bootstrap, ...reads.slice(2, 4)])
  for (const read of reads.slice(2, 4)) t.same([...said(stdout, read), ...said(rest.stdout, read)].sort(), values(PLAIN).sort(), `${read} went on where it was`)
  t.ok((sidecar.status().counters.requests['OffsetForLeaderEpoch'] ?? 0) > before)
})

test('Java: the tools of an administrator', async t => {
  const offsets = await runJava('org.apache.kafka.tools.GetOffsetShell', ['--bootstrap-server', bootstrap, '--topic', PLAIN])
  t.same(offsets.stdout.trim().split('\n').sort(), [0, 1].map(partition => `${PLAIN}:${partition}:${RECORDS / PARTITIONS}`))
  const described = await runJava('org.apache.kafka.tools.TopicCommand', ['--bootstrap-server', bootstrap, '--describe', '--topic', PLAIN])
  t.equal(described.stdout.match(/Leader: [12]\tReplicas: 1,2\tIsr: /g)?.length, PARTITIONS)
  const groups = await runJava('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', ['--bootstrap-server', bootstrap, '--describe', '--group', 'g-classic'])
  t.equal(groups.stdout.match(new RegExp(`g-classic\\s+${PLAIN}\\s+[01]\\s+${RECORDS / PARTITIONS}\\s+${RECORDS / PARTITIONS}\\s+0\\s`, 'g'))?.length, PARTITIONS, groups.stdout)
})

async function kcat (t: Test, args: readonly string[]): Promise<string[]> {
  const program = await Program.start('kcat', ['-b', bootstrap, '-q', ...args])
  t.teardown(() => program.kill())
  t.equal(await program.end(), 0, program.output)
  return program.output.trim().split('\n')
}

test('kcat: all of a topic, in a group, from a time on, and what is committed', async t => {
  t.same((await kcat(t, ['-C', '-t', PLAIN, '-o', 'beginning', '-e'])).sort(), values(PLAIN).sort())
  t.same((await kcat(t, ['-c', String(RECORDS), '-X', 'auto.offset.reset=earliest', '-G', 'g-kcat', PLAIN])).sort(), values(PLAIN).sort())
  t.same((await kcat(t, ['-C', '-t', PLAIN, '-o', `s@${TIMESTAMP}`, '-e'])).length, RECORDS - PARTITIONS * OFFSET_AT_TIMESTAMP)
  t.same(await kcat(t, ['-C', '-t', OPEN_TRANSACTION, '-o', 'beginning', '-e', '-X', 'isolation.level=read_committed']), values(OPEN_TRANSACTION))
  t.same((await kcat(t, ['-C', '-t', OPEN_TRANSACTION, '-o', 'beginning', '-e', '-X', 'isolation.level=read_uncommitted'])).length, 2 * RECORDS)
})

async function kafkajsReads (t: Test, topic: string, count: number): Promise<EachMessagePayload[]> {
  const consumer = kafka.consumer({ groupId: `g-kafkajs-${topic}`, maxWaitTimeInMs: 100 })
  t.teardown(() => consumer.disconnect())
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const seen: EachMessagePayload[] = []
  await consumer.run({ eachMessage: async payload => { seen.push(payload) } })
  await eventually(`kafkajs reads ${count} records of ${topic}`, () => seen.length >= count, 20_000)
  await consumer.disconnect()
  return seen
}

test('kafkajs: in a group, and offsets', async t => {
  t.same((await kafkajsReads(t, PLAIN, RECORDS)).map(({ message }) => message.value?.toString()).sort(), values(PLAIN).sort())
  t.same((await kafkajsReads(t, OPEN_TRANSACTION, RECORDS)).map(({ message }) => message.value?.toString()), values(OPEN_TRANSACTION), 'it reads what is committed')
  const client = kafka.admin()
  t.teardown(() => client.disconnect())
  await client.connect()
  t.match((await client.fetchTopicOffsets(PLAIN)).map(({ low, high }) => [low, high]), [0, 1].map(() => ['0', String(RECORDS / PARTITIONS)]))
  t.match((await client.fetchTopicOffsetsByTimestamp(PLAIN, TIMESTAMP)).map(({ offset }) => offset), [0, 1].map(() => String(OFFSET_AT_TIMESTAMP)))
})

test('@platformatic/kafka: in a group', async t => {
  const consumer = new Consumer({ clientId: 'platformatic', bootstrapBrokers: [bootstrap], groupId: 'g-platformatic', deserializers: stringDeserializers })
  t.teardown(() => consumer.close(true))
  const stream = await consumer.consume({ topics: [PLAIN], mode: MessagesStreamModes.EARLIEST, autocommit: true, maxWaitTime: 100 })
  const seen: string[] = []
  for await (const message of stream) {
    seen.push(message.value)
    if (seen.length === RECORDS) break
  }
  t.same(seen.sort(), values(PLAIN).sort())
})

test('a broker takes what is fetched in the name of another one for copied: through the sidecar nobody does that', async t => {
  const name = 'copied'
  await createTopic(name, [1, 2], 1)
  const topicId = (await admin.refresh({ signal })).topics.get(name)?.topicId ?? ''
  const through = await RawClient.open(portAtSidecar(1))
  const directly = await RawClient.open(portOfBroker(1))
  t.teardown(() => { through.close(); directly.close() })
  for (let version = 4; version <= 14; version++) {
    const request = { maxWaitMs: 10, minBytes: 0, topics: [{ ...(version >= 13 ? { topicId } : { topic: name }), partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1000 }] }] }
    const errors = async (client: RawClient, replicaId: number): Promise<unknown> => {
      const { errorCode, responses } = await client.request(Fetch, version, { ...request, replicaId })
      return [errorCode, ...responses.flatMap(({ partitions }) => partitions.map(row => row.errorCode))]
    }
    t.same(await errors(directly, 2), [0, 0], `v${version} directly`)
    t.same(await errors(through, 2), version >= 7 ? [ErrorCodes.CLUSTER_AUTHORIZATION_FAILED] : [0, ErrorCodes.CLUSTER_AUTHORIZATION_FAILED], `v${version}`)
    t.same(await errors(through, -1), [0, 0], `v${version} as a consumer`)
  }
})

test('when the topic is failed over, the same connection sees the real leader, and that is where it is written to', async t => {
  t.notOk(dialed.includes(portOfBroker(SHADOW_LEADER)), 'nothing of all this went to the shadow leader')
  const client = await RawClient.open(sidecar.bootstrap.port)
  t.teardown(() => client.close())
  t.equal((await shownTo(client, PLAIN)).topics[0]?.partitions[0]?.leaderId, 1)
  await elect(PLAIN, [2, 1], PARTITIONS)
  await tell([topicRecord(PLAIN, PARTITIONS, 'FAILED_OVER')])
  await eventually('the real leader is shown', async () => {
    const row = (await shownTo(client, PLAIN)).topics[0]?.partitions[0]
    return row?.leaderId === 2 && row.replicaNodes.join() === '2,1'
  })
  const producer = kafka.producer()
  t.teardown(() => producer.disconnect())
  await producer.connect()
  const [written] = await producer.send({ topic: PLAIN, messages: [{ value: 'after', partition: 0 }] })
  t.equal(written?.baseOffset, String(RECORDS / PARTITIONS))
  t.same((await kafkajsReads(t, PLAIN, 1)).map(({ message }) => message.value?.toString()), ['after'])
  t.notOk(dialed.includes(portOfBroker(SHADOW_LEADER)))
})
