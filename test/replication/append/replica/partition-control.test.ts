import { test } from 'tap'
import { decodeMetadataRecord } from '../../../../protocol/metadata/decode-record.ts'
import { RegisterBrokerRecord } from '../../../../protocol/metadata/register-broker-record.ts'
import { AlterPartition } from '../../../../protocol/messages/alter-partition.ts'
import { Cluster } from '../../../../src/client/cluster.ts'
import { GrowingImage } from '../../../../src/kraft/metadata/growing-image.ts'
import { DeltaBuilder } from '../../../../src/kraft/metadata/metadata-delta.ts'
import type { PartitionEntry } from '../../../../src/kraft/metadata/metadata-image.ts'
import { silentLogger } from '../../../../src/observability/logger.ts'
import { PartitionControl } from '../../../../src/replication/append/replica/partition-control.ts'
import { setUpQuorum, value } from '../../../kraft/scripted-quorum.ts'

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const ENTRY: PartitionEntry = {
  topicId: TOPIC_ID, partition: 0, replicas: [1, 2, 3000], isr: [3000], removingReplicas: [3000], addingReplicas: [1, 2], elr: [], lastKnownElr: [], leader: 3000, leaderRecoveryState: 0, leaderEpoch: 7, partitionEpoch: 1
}

test('members of an ISR are named under the epochs by which they said that they are in sync, and others under those that they have', async t => {
  const { controllers, first } = await setUpQuorum(t, 1)
  const cluster = new Cluster({ bootstrapServers: [first.peer.address], clientId: 'test', logger: silentLogger })
  t.teardown(() => cluster.close())
  const image = new GrowingImage()
  for (const [brokerId, brokerEpoch] of [[1, 11n], [2, 22n], [3000, 30n]] as const) {
    const record = decodeMetadataRecord(value(RegisterBrokerRecord, { brokerId, brokerEpoch, incarnationId: TOPIC_ID, endPoints: [], features: [], rack: null, logDirs: [] }))
    if (record !== null) image.apply(record, new DeltaBuilder())
  }
  const control = new PartitionControl({
    controllers, cluster, signal: new AbortController().signal, metadata: { image, problem: null, onChange: () => () => {} }, broker: () => ({ brokerId: 3000, brokerEpoch: 30n })
  })
  const asked: unknown[] = []
  first.peer.on(AlterPartition, ({ body }) => {
    asked.push(body.topics[0]?.partitions[0]?.newIsrWithEpochs)
    // Broker 2 was started anew since: the controller knows it by another epoch.
    return { throttleTimeMs: 0, errorCode: 0, topics: [{ topicId: TOPIC_ID, partitions: [{ partitionIndex: 0, errorCode: 107, leaderId: -1, leaderEpoch: -1, isr: [], partitionEpoch: -1 }] }] }
  })
  t.match(await control.setIsr(ENTRY, [3000, 1, 2], new Map([[2, 21n]])), { kind: 'refused', error: { wireCode: 107 } })
  t.match(asked, [[{ brokerId: 3000, brokerEpoch: 30n }, { brokerId: 1, brokerEpoch: 11n }, { brokerId: 2, brokerEpoch: 21n }]])
})
