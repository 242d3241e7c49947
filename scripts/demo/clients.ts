/** What the demo's applications do, with kafkajs: an ordinary client that knows nothing of kafka-shadow. */
import { Kafka, logLevel, type Producer } from 'kafkajs'

/** kafkajs otherwise explains, at every start, that its default partitioner has changed. */
process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1'

export function client (brokers: readonly string[]): Kafka {
  return new Kafka({ clientId: 'shop', brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { retries: 3, initialRetryTime: 100 } })
}

/** Writes `count` orders from `first` on, in batches. */
export async function writeOrders (producer: Producer, topic: string, { first, count }: { readonly first: number, readonly count: number }): Promise<void> {
  const BATCH = 50
  for (let from = first; from < first + count; from += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, first + count - from) }, (_, index) => from + index)
    await producer.send({ topic, messages: numbers.map(number => ({ key: `customer-${number % 97}`, value: JSON.stringify({ order: number, item: 'umbrella' }) })) })
  }
}

export interface Reading {
  readonly group: string
  readonly topics: readonly string[]
  readonly count: number
  readonly timeoutMs: number
}

/** Reads as the consumer group `group`, which goes on where it ended before, until `count` records have come. */
export async function readOrders (kafka: Kafka, { group, topics, count, timeoutMs }: Reading): Promise<Array<{ readonly topic: string, readonly order: number }>> {
  const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 200 })
  const orders: Array<{ topic: string, order: number }> = []
  await consumer.connect()
  try {
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => { reject(new Error(`only ${orders.length} of ${count} records came within ${timeoutMs / 1000} s`)) }, timeoutMs)
      consumer.run({
        eachMessage: ({ topic, message }) => {
          orders.push({ topic, order: orderOf(message.value) })
          if (orders.length >= count) {
            clearTimeout(timer)
            resolve()
          }
          return Promise.resolve()
        }
      }).catch(reject)
    })
    // What was read is committed, for the next one of the group.
    await consumer.stop()
  } finally {
    await consumer.disconnect()
  }
  return orders
}

/** What the cluster itself shows: its brokers, and who leads and holds each partition of a topic. */
export async function describeTopic (kafka: Kafka, topic: string): Promise<{ readonly brokers: readonly number[], readonly partitions: ReadonlyArray<{ readonly leader: number, readonly replicas: readonly number[] }> }> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const [{ brokers }, { topics }] = await Promise.all([admin.describeCluster(), admin.fetchTopicMetadata({ topics: [topic] })])
    return {
      brokers: brokers.map(({ nodeId }) => nodeId).sort((a, b) => a - b),
      partitions: (topics[0]?.partitions ?? []).sort((a, b) => a.partitionId - b.partitionId).map(({ leader, replicas }) => ({ leader, replicas }))
    }
  } finally {
    await admin.disconnect()
  }
}

function orderOf (value: Buffer | null): number {
  const parsed: unknown = JSON.parse(value?.toString() ?? 'null')
  if (typeof parsed !== 'object' || parsed === null || !('order' in parsed) || typeof parsed.order !== 'number') throw new Error(`a record came that nobody wrote: ${String(value)}`)
  return parsed.order
}
