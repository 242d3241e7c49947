/**
 * What the sidecar offers: every API that it knows to be harmless, or knows how to judge. All others, among them those that
 * brokers and controllers speak with each other, are neither announced nor let through: an Envelope can carry any request, and
 * an API that nobody here has heard of may change a topic or hand out addresses (facts/proxies.md §8.3).
 */
import { ErrorCodes } from '../../protocol/errors/codes.ts'
import { AddPartitionsToTxn } from '../../protocol/messages/add-partitions-to-txn.ts'
import { AlterConfigs } from '../../protocol/messages/alter-configs.ts'
import { AlterPartitionReassignments } from '../../protocol/messages/alter-partition-reassignments.ts'
import { CreatePartitions } from '../../protocol/messages/create-partitions.ts'
import { CreateTopics } from '../../protocol/messages/create-topics.ts'
import { DeleteRecords } from '../../protocol/messages/delete-records.ts'
import { DeleteTopics } from '../../protocol/messages/delete-topics.ts'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.ts'
import { DescribeCluster } from '../../protocol/messages/describe-cluster.ts'
import { DescribeQuorum } from '../../protocol/messages/describe-quorum.ts'
import { DescribeTopicPartitions } from '../../protocol/messages/describe-topic-partitions.ts'
import { ElectLeaders } from '../../protocol/messages/elect-leaders.ts'
import { Fetch } from '../../protocol/messages/fetch.ts'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { ListOffsets } from '../../protocol/messages/list-offsets.ts'
import { ListPartitionReassignments } from '../../protocol/messages/list-partition-reassignments.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.ts'
import { Produce } from '../../protocol/messages/produce.ts'
import { APIS } from '../../protocol/messages/registry.ts'
import { SaslHandshake } from '../../protocol/messages/sasl-handshake.ts'
import { WriteTxnMarkers } from '../../protocol/messages/write-txn-markers.ts'
import { rewriteDescribeCluster } from './addresses/describe-cluster.ts'
import { rewriteDescribeTopicPartitions } from './addresses/describe-topic-partitions.ts'
import { rewriteFindCoordinator } from './addresses/find-coordinator.ts'
import { rewriteListPartitionReassignments } from './addresses/list-partition-reassignments.ts'
import { rewriteMetadata } from './addresses/metadata.ts'
import { ENDPOINTS_VERSION, rewriteProduce } from './addresses/produce.ts'
import { apiVersionsOffer } from './api-versions.ts'
import { isFetchJudged, isFromReplica, judgeFetch } from './followers/fetch.ts'
import { judgeListOffsets } from './followers/list-offsets.ts'
import { judgeOffsetForLeaderEpoch } from './followers/offset-for-leader-epoch.ts'
import { offer, unreadOffer, type Offer } from './offer.ts'
import { judgeAddPartitionsToTxn, refuseAddPartitionsToTxnVersion } from './refusals/add-partitions-to-txn.ts'
import { judgeAlterConfigs, judgeIncrementalAlterConfigs } from './refusals/alter-configs.ts'
import { judgeAlterPartitionReassignments } from './refusals/alter-partition-reassignments.ts'
import { judgeAutoCreation } from './refusals/auto-creation.ts'
import { judgeCreatePartitions } from './refusals/create-partitions.ts'
import { judgeCreateTopics } from './refusals/create-topics.ts'
import { judgeDeleteRecords } from './refusals/delete-records.ts'
import { judgeDeleteTopics, refuseDeleteTopicsVersion } from './refusals/delete-topics.ts'
import { GROUP_OFFERS } from './refusals/engine-groups.ts'
import { judgeElectLeaders } from './refusals/elect-leaders.ts'
import { judgeProduce, refuseProduceVersion } from './refusals/produce.ts'
import { judgeDescribeConfigs } from './shown-configs.ts'
import { judgeWriteTxnMarkers } from './refusals/write-txn-markers.ts'

/** What needs more than to be passed on. */
const SPECIAL: readonly Offer[] = [
  // Version 13 names topics by their ids. 12 is the least that transactions of version 2 work with.
  offer(Produce, {
    maxVersion: 12,
    judge: judgeProduce,
    addresses: { minVersion: ENDPOINTS_VERSION, rewrite: rewriteProduce },
    refuseVersion: refuseProduceVersion
  }),
  // Up to version 15 a broker tells no client of another leader and where that is, and most of all bytes can pass unread. Up to 14, which differs
  // in nothing else, whoever fetches as a replica says so at a fixed place, and not at the end.
  offer(Fetch, {
    maxVersion: 14,
    judge: judgeFetch,
    isJudged: isFetchJudged,
    peek: isFromReplica,
    refuseVersion: () => ({ errorCode: ErrorCodes.UNSUPPORTED_VERSION, sessionId: 0, responses: [] })
  }),
  offer(ListOffsets, { judge: judgeListOffsets, isJudged: (_, reads) => reads.isAnyReadFromFollowers }),
  offer(OffsetForLeaderEpoch, { judge: judgeOffsetForLeaderEpoch, isJudged: (_, reads) => reads.isAnyReadFromFollowers }),
  offer(DescribeConfigs, { judge: judgeDescribeConfigs, isJudged: (_, reads) => reads.isAnyLinked }),
  offer(Metadata, { judge: judgeAutoCreation, addresses: { minVersion: 0, rewrite: rewriteMetadata } }),
  offer(FindCoordinator, { addresses: { minVersion: 0, rewrite: rewriteFindCoordinator } }),
  // Version 2 tells where the controllers listen.
  offer(DescribeQuorum, { maxVersion: 1 }),
  offer(DescribeCluster, { addresses: { minVersion: 0, rewrite: rewriteDescribeCluster } }),
  offer(DescribeTopicPartitions, { addresses: { minVersion: 0, rewrite: rewriteDescribeTopicPartitions } }),
  offer(ListPartitionReassignments, { addresses: { minVersion: 0, rewrite: rewriteListPartitionReassignments } }),
  // After version 0, bytes without a header follow that nobody could judge.
  offer(SaslHandshake, { minVersion: 1, refuseVersion: () => ({ errorCode: ErrorCodes.UNSUPPORTED_VERSION, mechanisms: [] }) }),
  offer(CreateTopics, { judge: judgeCreateTopics }),
  offer(DeleteTopics, { maxVersion: 5, judge: judgeDeleteTopics, refuseVersion: refuseDeleteTopicsVersion }),
  offer(DeleteRecords, { judge: judgeDeleteRecords }),
  offer(CreatePartitions, { judge: judgeCreatePartitions }),
  offer(AlterConfigs, { judge: judgeAlterConfigs }),
  offer(IncrementalAlterConfigs, { judge: judgeIncrementalAlterConfigs }),
  offer(AddPartitionsToTxn, { maxVersion: 3, judge: judgeAddPartitionsToTxn, refuseVersion: refuseAddPartitionsToTxnVersion }),
  offer(WriteTxnMarkers, { judge: judgeWriteTxnMarkers }),
  offer(AlterPartitionReassignments, { judge: judgeAlterPartitionReassignments }),
  offer(ElectLeaders, { judge: judgeElectLeaders }),
  apiVersionsOffer(offerOf)
]

/** Harmless APIs whose messages are not declared, because nothing in them is read here. */
const UNREAD: readonly Offer[] = [
  unreadOffer(38, 'CreateDelegationToken', 3),
  unreadOffer(39, 'RenewDelegationToken', 2),
  unreadOffer(40, 'ExpireDelegationToken', 2),
  unreadOffer(41, 'DescribeDelegationToken', 3),
  unreadOffer(71, 'GetTelemetrySubscriptions', 0),
  unreadOffer(72, 'PushTelemetry', 0),
  unreadOffer(74, 'ListConfigResources', 1)
]

/**
 * Declared APIs that change no topic and carry no address, by name. A new declaration is offered once somebody has put it
 * here or above: a test asks for it, and knows which ones are not offered.
 */
const HARMLESS: ReadonlySet<string> = new Set([
  'DescribeProducers', 'DescribeLogDirs',
  'OffsetFetch', 'DescribeGroups', 'ConsumerGroupDescribe', 'ListGroups',
  // A client must always be able to end a transaction; markers go only where AddPartitionsToTxn or Produce was let through.
  'InitProducerId', 'EndTxn', 'DescribeTransactions', 'ListTransactions',
  'SaslAuthenticate', 'DescribeAcls', 'CreateAcls', 'DeleteAcls',
  'DescribeClientQuotas', 'AlterClientQuotas', 'DescribeUserScramCredentials', 'AlterUserScramCredentials'
])

/** By API key. */
const OFFERS: ReadonlyMap<number, Offer> = new Map([
  ...[...APIS.values()].filter(api => HARMLESS.has(api.name)).map(api => offer(api)),
  ...UNREAD,
  ...GROUP_OFFERS,
  ...SPECIAL
].map(entry => [entry.key, entry]))

/** Null for an API that is not offered. */
export function offerOf (apiKey: number): Offer | null {
  return OFFERS.get(apiKey) ?? null
}
