/** What must be so of each of the two clusters, and what is worth knowing of them. */
import { ApiVersions } from '../../../protocol/messages/api-versions.ts'
import { CreatePartitions } from '../../../protocol/messages/create-partitions.ts'
import { CreateTopics } from '../../../protocol/messages/create-topics.ts'
import { DeleteRecords } from '../../../protocol/messages/delete-records.ts'
import { DescribeConfigs } from '../../../protocol/messages/describe-configs.ts'
import { DescribeProducers } from '../../../protocol/messages/describe-producers.ts'
import { Fetch } from '../../../protocol/messages/fetch.ts'
import { IncrementalAlterConfigs } from '../../../protocol/messages/incremental-alter-configs.ts'
import { InitProducerId } from '../../../protocol/messages/init-producer-id.ts'
import { ListOffsets } from '../../../protocol/messages/list-offsets.ts'
import { Produce } from '../../../protocol/messages/produce.ts'
import type { Api } from '../../../protocol/schema/api.ts'
import { describeTopicConfigs } from '../../client/admin/describe-topic-configs.ts'
import type { Cluster, ClusterView } from '../../client/cluster.ts'
import type { LinkConfig } from '../../config/link-config.ts'
import { BrokerError, ShadowError } from '../../errors.ts'
import { formatHostPort } from '../../net/host-port.ts'
import { STATE_TOPIC } from '../../state/state-topic.ts'
import { failed, ok, someOf, warning, whyNot, type PreflightFinding } from './preflight-finding.ts'

interface Need {
  readonly api: Api
  readonly minVersion: number
}

/** Fetch 4 is the first with record batches as they are on disk. */
const SOURCE_NEEDS: readonly Need[] = [{ api: Fetch, minVersion: 4 }, { api: ListOffsets, minVersion: 1 }, { api: DescribeConfigs, minVersion: 0 }]

/** Produce 7 is the first that takes zstd; ListOffsets 4 the first that fences leaders. */
const SHADOW_NEEDS: readonly Need[] = [
  { api: Produce, minVersion: 7 }, { api: ListOffsets, minVersion: 4 }, { api: Fetch, minVersion: 4 }, { api: CreateTopics, minVersion: 4 },
  { api: CreatePartitions, minVersion: 0 }, { api: DescribeConfigs, minVersion: 0 }, { api: IncrementalAlterConfigs, minVersion: 0 },
  { api: DeleteRecords, minVersion: 0 }, { api: InitProducerId, minVersion: 0 }, { api: DescribeProducers, minVersion: 0 }, { api: ApiVersions, minVersion: 0 }
]

/** `creation`: only what a creation depends on. */
export type PreflightScope = 'creation' | 'everything'

export interface ClusterOptions {
  readonly cluster: Cluster
  readonly scope: PreflightScope
  /** Ends when the time for it is over. */
  readonly signal: AbortSignal
}

export interface ClusterFindings {
  /** Null when the cluster could not be asked. */
  readonly view: ClusterView | null
  readonly findings: readonly PreflightFinding[]
}

export async function checkSource ({ clientOptions }: LinkConfig, { cluster, scope, signal }: ClusterOptions): Promise<ClusterFindings> {
  const servers = clientOptions.bootstrapServers.map(formatHostPort).join(', ')
  let view: ClusterView
  try {
    view = await cluster.refresh({ signal })
  } catch (error) {
    const refusal = new ShadowError('CLUSTER_UNAVAILABLE', `the source at ${servers} cannot be reached: ${whyNot(error, signal)}`, { retriable: true, cause: error })
    return { view: null, findings: [failed('source', refusal, 'check client_options.bootstrap_servers, and that the engine\'s host can reach them; TLS and authentication to the source are not part of this version')] }
  }
  const findings = [ok('source', summary(view))]
  const expected = clientOptions.sourceClusterId
  if (expected !== null) {
    findings.push(expected === view.clusterId
      ? ok('source cluster id', `it is ${expected}, as source_cluster_id says`)
      : failed('source cluster id', new ShadowError('CONFLICT', `source_cluster_id is ${expected}, and the cluster at ${servers} says it is ${view.clusterId ?? 'without an id'}`), 'correct source_cluster_id, or the addresses'))
  }
  if (scope === 'everything') findings.push(await everyBroker('source', cluster, view, signal))
  findings.push(await needs('source', cluster, SOURCE_NEEDS, signal))
  return { view, findings }
}

export async function checkShadow ({ cluster, scope, signal }: ClusterOptions): Promise<ClusterFindings> {
  let view: ClusterView
  try {
    view = await cluster.refresh({ signal })
  } catch (error) {
    const refusal = new ShadowError('CLUSTER_UNAVAILABLE', `the shadow cluster cannot be reached: ${whyNot(error, signal)}`, { retriable: true, cause: error })
    return { view: null, findings: [failed('shadow cluster', refusal, 'check shadow_cluster.bootstrap_servers in the file of kshadow run, and that the brokers are up')] }
  }
  const findings = [ok('shadow cluster', summary(view))]
  if (scope === 'everything') findings.push(await everyBroker('shadow', cluster, view, signal))
  findings.push(await needs('shadow', cluster, SHADOW_NEEDS, signal))
  if (scope === 'everything') findings.push(...await checkDefaults(cluster, view, signal))
  return { view, findings }
}

/** That they are two. */
export function compareClusters (config: LinkConfig, source: ClusterView | null, shadow: ClusterView | null): PreflightFinding[] {
  if (source === null || shadow === null) return []
  const name = 'two clusters'
  if (source.clusterId === null || shadow.clusterId === null) {
    return [warning(name, `the ${source.clusterId === null ? 'source' : 'shadow cluster'} does not tell its cluster id, so that nobody can see whether they are the same`, 'make sure that the source is not the shadow cluster itself')]
  }
  if (source.clusterId !== shadow.clusterId) return [ok(name, `the source is ${source.clusterId}, the shadow cluster ${shadow.clusterId}`)]
  const servers = config.clientOptions.bootstrapServers.map(formatHostPort).join(', ')
  return [failed(name, new ShadowError('CONFLICT', `the source at ${servers} is the shadow cluster itself (cluster id ${source.clusterId})`), 'give the addresses of another cluster in client_options.bootstrap_servers')]
}

function summary ({ clusterId, brokers, topics }: ClusterView): string {
  return `cluster ${clusterId ?? 'without an id'} answers: ${brokers.size} brokers, ${topics.size} topics`
}

/** Clients are sent to the addresses that brokers advertise, whatever they began with. */
async function everyBroker (which: 'source' | 'shadow', cluster: Cluster, view: ClusterView, signal: AbortSignal): Promise<PreflightFinding> {
  const name = `${which} brokers`
  const problems = await Promise.all([...view.brokers.values()].map(async ({ nodeId, host, port }) => {
    try {
      await cluster.versionRange(ApiVersions, nodeId, { signal })
      return []
    } catch (error) {
      return [`broker ${nodeId} at ${formatHostPort({ host, port })}: ${whyNot(error, signal)}`]
    }
  }))
  const missing = problems.flat()
  if (missing.length === 0) return ok(name, 'each can be reached at the address that it advertises')
  return warning(name, `${missing.length} of ${view.brokers.size} cannot be reached: ${someOf(missing)}`, 'partitions that such a broker leads are not copied until it can be reached; correct its advertised.listeners, or the way to it')
}

async function needs (which: 'source' | 'shadow', cluster: Cluster, apis: readonly Need[], signal: AbortSignal): Promise<PreflightFinding> {
  const name = `${which} versions`
  const lacking: string[] = []
  try {
    for (const { api, minVersion } of apis) {
      const range = await cluster.versionRange(api, 'any', { signal })
      if (range === null || range.max < minVersion) lacking.push(`${api.name} in version ${minVersion} or newer${range === null ? '' : ` (it offers up to ${range.max})`}`)
    }
  } catch (error) {
    const refusal = new ShadowError('CLUSTER_UNAVAILABLE', `the ${which} cluster does not say which requests it knows: ${whyNot(error, signal)}`, { retriable: true, cause: error })
    return failed(name, refusal, 'give the command again when the cluster answers')
  }
  if (lacking.length === 0) return ok(name, 'it offers every request that is needed, in a version that is known')
  return failed(name, new ShadowError('CONFLICT', `the ${which} cluster does not offer ${lacking.join(', ')}, which a link needs`), which === 'source' ? 'upgrade the source: Apache Kafka 0.11 is the oldest that can work' : 'upgrade the shadow cluster, or choose another one')
}

/** What a topic of the shadow cluster has that says nothing else, such as every shadow topic once it is failed over. */
async function checkDefaults (cluster: Cluster, { brokers }: ClusterView, signal: AbortSignal): Promise<PreflightFinding[]> {
  const minIsrName = 'min.insync.replicas'
  const uncleanName = 'unclean elections'
  let configs: Awaited<ReturnType<typeof describeTopicConfigs>>
  try {
    configs = await describeTopicConfigs(cluster, [STATE_TOPIC], { signal })
  } catch (error) {
    return [warning(minIsrName, `the cluster's defaults cannot be read: ${whyNot(error, signal)}`, 'the engine needs the right to describe the configs of topics')]
  }
  const found = configs.get(STATE_TOPIC)
  if (found === undefined || found instanceof BrokerError) {
    return [warning(minIsrName, `the cluster's defaults cannot be read: ${found?.message ?? 'no answer'}`, 'the engine needs the right to describe the configs of topics')]
  }
  const minIsr = Number(found.get('min.insync.replicas')?.value ?? 1)
  const findings = [minIsr > brokers.size
    ? warning(minIsrName, `${minIsr} by default, and the cluster has ${brokers.size} brokers`, 'nothing with acks=all can be written to such a topic: add brokers, or lower the default')
    : ok(minIsrName, `${minIsr} by default, with ${brokers.size} brokers; in append mode replica a topic has 1 while it is a shadow`)]
  if (found.get('unclean.leader.election.enable')?.value === 'true') {
    findings.push(warning(uncleanName, 'the cluster allows them by default; in append mode replica every shadow topic is set to false while it is one', 'do not allow them for a shadow topic, and hold none by hand: the topic would be stopped'))
  } else findings.push(ok(uncleanName, 'not allowed by default'))
  return findings
}
