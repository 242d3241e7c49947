/** Every API that is declared. */
import type { Api } from '../schema/api.ts'
import { AddOffsetsToTxn } from './add-offsets-to-txn.ts'
import { AddPartitionsToTxn } from './add-partitions-to-txn.ts'
import { AllocateProducerIds } from './allocate-producer-ids.ts'
import { AlterClientQuotas } from './alter-client-quotas.ts'
import { AlterConfigs } from './alter-configs.ts'
import { AlterPartition } from './alter-partition.ts'
import { AlterPartitionReassignments } from './alter-partition-reassignments.ts'
import { AlterUserScramCredentials } from './alter-user-scram-credentials.ts'
import { ApiVersions } from './api-versions.ts'
import { BrokerHeartbeat } from './broker-heartbeat.ts'
import { BrokerRegistration } from './broker-registration.ts'
import { ConsumerGroupDescribe } from './consumer-group-describe.ts'
import { ConsumerGroupHeartbeat } from './consumer-group-heartbeat.ts'
import { CreateAcls } from './create-acls.ts'
import { CreatePartitions } from './create-partitions.ts'
import { CreateTopics } from './create-topics.ts'
import { DeleteAcls } from './delete-acls.ts'
import { DeleteGroups } from './delete-groups.ts'
import { DeleteRecords } from './delete-records.ts'
import { DeleteTopics } from './delete-topics.ts'
import { DescribeAcls } from './describe-acls.ts'
import { DescribeClientQuotas } from './describe-client-quotas.ts'
import { DescribeCluster } from './describe-cluster.ts'
import { DescribeConfigs } from './describe-configs.ts'
import { DescribeGroups } from './describe-groups.ts'
import { DescribeLogDirs } from './describe-log-dirs.ts'
import { DescribeProducers } from './describe-producers.ts'
import { DescribeQuorum } from './describe-quorum.ts'
import { DescribeTopicPartitions } from './describe-topic-partitions.ts'
import { DescribeTransactions } from './describe-transactions.ts'
import { DescribeUserScramCredentials } from './describe-user-scram-credentials.ts'
import { ElectLeaders } from './elect-leaders.ts'
import { EndTxn } from './end-txn.ts'
import { Fetch } from './fetch.ts'
import { FetchSnapshot } from './fetch-snapshot.ts'
import { FindCoordinator } from './find-coordinator.ts'
import { Heartbeat } from './heartbeat.ts'
import { IncrementalAlterConfigs } from './incremental-alter-configs.ts'
import { InitProducerId } from './init-producer-id.ts'
import { JoinGroup } from './join-group.ts'
import { LeaveGroup } from './leave-group.ts'
import { ListGroups } from './list-groups.ts'
import { ListOffsets } from './list-offsets.ts'
import { ListPartitionReassignments } from './list-partition-reassignments.ts'
import { ListTransactions } from './list-transactions.ts'
import { Metadata } from './metadata.ts'
import { OffsetCommit } from './offset-commit.ts'
import { OffsetDelete } from './offset-delete.ts'
import { OffsetFetch } from './offset-fetch.ts'
import { OffsetForLeaderEpoch } from './offset-for-leader-epoch.ts'
import { Produce } from './produce.ts'
import { SaslAuthenticate } from './sasl-authenticate.ts'
import { SaslHandshake } from './sasl-handshake.ts'
import { SyncGroup } from './sync-group.ts'
import { TxnOffsetCommit } from './txn-offset-commit.ts'
import { UnregisterBroker } from './unregister-broker.ts'
import { WriteTxnMarkers } from './write-txn-markers.ts'

/** All declared APIs, by key. */
export const APIS: ReadonlyMap<number, Api> = new Map<number, Api>([
  [Produce.key, Produce],
  [Fetch.key, Fetch],
  [ListOffsets.key, ListOffsets],
  [Metadata.key, Metadata],
  [OffsetCommit.key, OffsetCommit],
  [OffsetFetch.key, OffsetFetch],
  [FindCoordinator.key, FindCoordinator],
  [JoinGroup.key, JoinGroup],
  [Heartbeat.key, Heartbeat],
  [LeaveGroup.key, LeaveGroup],
  [SyncGroup.key, SyncGroup],
  [DescribeGroups.key, DescribeGroups],
  [ListGroups.key, ListGroups],
  [SaslHandshake.key, SaslHandshake],
  [ApiVersions.key, ApiVersions],
  [CreateTopics.key, CreateTopics],
  [DeleteTopics.key, DeleteTopics],
  [DeleteRecords.key, DeleteRecords],
  [InitProducerId.key, InitProducerId],
  [OffsetForLeaderEpoch.key, OffsetForLeaderEpoch],
  [AddPartitionsToTxn.key, AddPartitionsToTxn],
  [AddOffsetsToTxn.key, AddOffsetsToTxn],
  [EndTxn.key, EndTxn],
  [WriteTxnMarkers.key, WriteTxnMarkers],
  [TxnOffsetCommit.key, TxnOffsetCommit],
  [DescribeAcls.key, DescribeAcls],
  [CreateAcls.key, CreateAcls],
  [DeleteAcls.key, DeleteAcls],
  [DescribeConfigs.key, DescribeConfigs],
  [AlterConfigs.key, AlterConfigs],
  [DescribeLogDirs.key, DescribeLogDirs],
  [SaslAuthenticate.key, SaslAuthenticate],
  [CreatePartitions.key, CreatePartitions],
  [DeleteGroups.key, DeleteGroups],
  [ElectLeaders.key, ElectLeaders],
  [IncrementalAlterConfigs.key, IncrementalAlterConfigs],
  [AlterPartitionReassignments.key, AlterPartitionReassignments],
  [ListPartitionReassignments.key, ListPartitionReassignments],
  [OffsetDelete.key, OffsetDelete],
  [DescribeClientQuotas.key, DescribeClientQuotas],
  [AlterClientQuotas.key, AlterClientQuotas],
  [DescribeUserScramCredentials.key, DescribeUserScramCredentials],
  [AlterUserScramCredentials.key, AlterUserScramCredentials],
  [DescribeQuorum.key, DescribeQuorum],
  [AlterPartition.key, AlterPartition],
  [FetchSnapshot.key, FetchSnapshot],
  [DescribeCluster.key, DescribeCluster],
  [DescribeProducers.key, DescribeProducers],
  [BrokerRegistration.key, BrokerRegistration],
  [BrokerHeartbeat.key, BrokerHeartbeat],
  [UnregisterBroker.key, UnregisterBroker],
  [DescribeTransactions.key, DescribeTransactions],
  [ListTransactions.key, ListTransactions],
  [AllocateProducerIds.key, AllocateProducerIds],
  [ConsumerGroupHeartbeat.key, ConsumerGroupHeartbeat],
  [ConsumerGroupDescribe.key, ConsumerGroupDescribe],
  [DescribeTopicPartitions.key, DescribeTopicPartitions]
])
