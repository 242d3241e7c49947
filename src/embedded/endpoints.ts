/** Every API that an embedded broker offers, and in which versions. ApiVersions is the dispatcher's own. */
import { AddOffsetsToTxn } from '../../protocol/messages/add-offsets-to-txn.ts'
import { AddPartitionsToTxn } from '../../protocol/messages/add-partitions-to-txn.ts'
import { AlterConfigs } from '../../protocol/messages/alter-configs.ts'
import { CreatePartitions } from '../../protocol/messages/create-partitions.ts'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { DeleteGroups } from '../../protocol/messages/delete-groups.ts'
import { DeleteRecords } from '../../protocol/messages/delete-records.ts'
import { DeleteTopics } from '../../protocol/messages/delete-topics.ts'
import { DescribeCluster } from '../../protocol/messages/describe-cluster.ts'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { DescribeGroups } from '../../protocol/messages/describe-groups.ts'
import { DescribeLogDirs } from '../../protocol/messages/describe-log-dirs.ts'
import { DescribeProducers } from '../../protocol/messages/describe-producers.ts'
import { DescribeTransactions } from '../../protocol/messages/describe-transactions.ts'
import { EndTxn } from '../../protocol/messages/end-txn.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { Heartbeat } from '../../protocol/messages/heartbeat.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { InitProducerId } from '../../protocol/messages/init-producer-id.ts'
import { JoinGroup } from '../../protocol/messages/join-group.ts'
import { LeaveGroup } from '../../protocol/messages/leave-group.ts'
import { ListGroups } from '../../protocol/messages/list-groups.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { ListTransactions } from '../../protocol/messages/list-transactions.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { OffsetCommit } from '../../protocol/messages/offset-commit.ts'
import { OffsetDelete } from '../../protocol/messages/offset-delete.ts'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { SyncGroup } from '../../protocol/messages/sync-group.ts'
import { TxnOffsetCommit } from '../../protocol/messages/txn-offset-commit.ts'
import type { BrokerState } from './broker-state.ts'
import { alterConfigs, incrementalAlterConfigs } from './handlers/alter-configs.ts'
import { createPartitions } from './handlers/create-partitions.ts'
import { createTopics } from './handlers/create-topics.ts'
import { deleteRecords } from './handlers/delete-records.ts'
import { deleteTopics } from './handlers/delete-topics.ts'
import { describeCluster } from './handlers/describe-cluster.ts'
import { describeConfigs } from './handlers/describe-configs.ts'
import { describeLogDirs } from './handlers/describe-log-dirs.ts'
import { describeProducers } from './handlers/describe-producers.ts'
import { fetch } from './handlers/fetch.ts'
import { findCoordinator } from './handlers/find-coordinator.ts'
import { deleteGroups, describeGroups, listGroups } from './handlers/group-admin.ts'
import { heartbeat, joinGroup, leaveGroup, syncGroup } from './handlers/group-membership.ts'
import { offsetCommit, offsetDelete, offsetFetch } from './handlers/group-offsets.ts'
import { initProducerId } from './handlers/init-producer-id.ts'
import { listOffsets } from './handlers/list-offsets.ts'
import { metadata } from './handlers/metadata.ts'
import { offsetForLeaderEpoch } from './handlers/offset-for-leader-epoch.ts'
import { produce } from './handlers/produce.ts'
import { addOffsetsToTxn, addPartitionsToTxn, describeTransactions, endTxn, listTransactions, txnOffsetCommit } from './handlers/transactions.ts'
import { endpoint, type Endpoint } from './server/dispatcher.ts'

export function endpoints (state: BrokerState): Endpoint[] {
  return [
    // Below version 3 it carries formats that are refused; librdkafka compresses nothing where version 0 is not offered.
    endpoint(Produce, (body, context) => produce(state, body, context)),
    // Before version 4 answers cannot hold batches.
    endpoint(Fetch, (body, context) => fetch(state, body, context), { min: 4, max: Fetch.versions.max }),
    // Version 0 asks for segments, not for offsets.
    endpoint(ListOffsets, (body, context) => listOffsets(state, body, context), { min: 1, max: ListOffsets.versions.max }),
    endpoint(Metadata, (body, context) => metadata(state, body, context)),
    endpoint(OffsetCommit, (body, context) => offsetCommit(state, body, context)),
    endpoint(OffsetFetch, (body, context) => offsetFetch(state, body, context)),
    endpoint(FindCoordinator, (body, context) => findCoordinator(state, body, context)),
    endpoint(JoinGroup, (body, context) => joinGroup(state, body, context)),
    endpoint(Heartbeat, body => heartbeat(state, body)),
    endpoint(LeaveGroup, (body, context) => leaveGroup(state, body, context)),
    endpoint(SyncGroup, body => syncGroup(state, body)),
    endpoint(DescribeGroups, (body, context) => describeGroups(state, body, context)),
    endpoint(ListGroups, body => listGroups(state, body)),
    endpoint(CreateTopics, body => createTopics(state, body)),
    endpoint(DeleteTopics, (body, context) => deleteTopics(state, body, context)),
    endpoint(DeleteRecords, body => deleteRecords(state, body)),
    // Version 6 is for transactions in two phases.
    endpoint(InitProducerId, (body, context) => initProducerId(state, body, context), { min: 0, max: 5 }),
    endpoint(OffsetForLeaderEpoch, body => offsetForLeaderEpoch(state, body)),
    // From version 4 on it is spoken between brokers.
    endpoint(AddPartitionsToTxn, (body, context) => addPartitionsToTxn(state, body, context), { min: 0, max: 3 }),
    endpoint(AddOffsetsToTxn, (body, context) => addOffsetsToTxn(state, body, context)),
    // The last versions of these two bump the epoch with each transaction, which is a feature of clusters that is not offered (KIP-890).
    endpoint(EndTxn, (body, context) => endTxn(state, body, context), { min: 0, max: 4 }),
    endpoint(TxnOffsetCommit, (body, context) => txnOffsetCommit(state, body, context), { min: 0, max: 4 }),
    endpoint(DescribeConfigs, (body, context) => describeConfigs(state, body, context)),
    endpoint(AlterConfigs, body => alterConfigs(state, body)),
    endpoint(DescribeLogDirs, body => describeLogDirs(state, body)),
    endpoint(CreatePartitions, body => createPartitions(state, body)),
    endpoint(DeleteGroups, body => deleteGroups(state, body)),
    endpoint(IncrementalAlterConfigs, body => incrementalAlterConfigs(state, body)),
    endpoint(OffsetDelete, body => offsetDelete(state, body)),
    endpoint(DescribeCluster, body => describeCluster(state, body)),
    endpoint(DescribeProducers, body => describeProducers(state, body)),
    endpoint(DescribeTransactions, body => describeTransactions(state, body)),
    // The filter by pattern of version 2 speaks a dialect of regular expressions that Node does not.
    endpoint(ListTransactions, body => listTransactions(state, body), { min: 0, max: 1 })
  ]
}
