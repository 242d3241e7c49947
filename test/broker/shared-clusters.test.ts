/** What the exactness tests stand on: the shared clusters, Java programs, and the comparison of segment files. */
import t, { test } from 'tap'
import { compareSegments } from '../support/compare-segments.ts'
import { JavaProgram, runJava } from '../support/java-tool.ts'
import { sharedClusters, uniqueName } from '../support/shared-clusters.ts'

const { source, shadow } = await sharedClusters(t)

const TOPIC_COMMAND = 'org.apache.kafka.tools.TopicCommand'

test('the segments of two replicas are the same, those of another topic are not', async t => {
  const topics = [uniqueName('replicas'), uniqueName('others')]
  for (const topic of topics) await runJava(TOPIC_COMMAND, ['--bootstrap-server', source.bootstrap, '--create', '--topic', topic, '--partitions', '1', '--replication-factor', '2'])
  const lines = Array.from({ length: 1000 }, (_, index) => `value ${index}\n`)
  await Promise.all(topics.map(topic => runJava('org.apache.kafka.tools.ConsoleProducer', ['--bootstrap-server', source.bootstrap, '--topic', topic, '--command-property', 'acks=all'], { stdin: lines.join('') })))

  const [topic = '', other = ''] = topics
  const { difference, endOffset, startOffset } = compareSegments(source.partitionDir(1, topic, 0), source.partitionDir(2, topic, 0))
  t.same({ difference, startOffset, endOffset }, { difference: null, startOffset: 0, endOffset: 1000 })
  t.match(compareSegments(source.partitionDir(1, topic, 0), source.partitionDir(1, other, 0)).difference, /differ at byte/)
})

test('a Java program that fails is an error with what it said', async t => {
  await t.rejects(runJava(TOPIC_COMMAND, ['--bootstrap-server', shadow.bootstrap, '--describe', '--topic', uniqueName('missing')]), /TopicCommand ended with exit code 1.*does not exist/s)
  t.equal((await runJava('NoSuchClass', [], { mayFail: true })).exitCode, 1)
  await t.rejects(runJava('org.apache.kafka.tools.ConsoleConsumer', [], { timeoutMs: 1 }), /took more than 1 ms/)
})

test('a Java program that runs on is talked to, and listened to', async t => {
  const topic = uniqueName('talk')
  await runJava(TOPIC_COMMAND, ['--bootstrap-server', shadow.bootstrap, '--create', '--topic', topic, '--partitions', '1', '--replication-factor', '2'])
  const consumer = await JavaProgram.start('org.apache.kafka.tools.consumer.ConsoleConsumer', ['--bootstrap-server', shadow.bootstrap, '--topic', topic, '--from-beginning'])
  t.teardown(() => consumer.kill())
  const producer = await JavaProgram.start('org.apache.kafka.tools.ConsoleProducer', ['--bootstrap-server', shadow.bootstrap, '--topic', topic])
  t.teardown(() => producer.kill())
  for (const word of ['first', 'second']) {
    producer.write(`${word}\n`)
    await consumer.waitFor(stdout => stdout.includes(`${word}\n`))
  }
  producer.end()
  t.equal((await producer.finished()).exitCode, 0)
  t.ok(consumer.isRunning)
  await consumer.kill()
  await t.rejects(consumer.waitFor(stdout => stdout.includes('third')), /ended before it said/)
})
