import { DescribeConfigs } from '../../../protocol/messages/describe-configs.ts'
import type { Cluster } from '../cluster.ts'
import { checkAnswer } from './check-answer.ts'
import { BROKER_RESOURCE } from './config-resource.ts'

/**
 * One config of a broker; null where it has none of that name, or does not tell.
 * @throws {BrokerError} what the broker says against it; {ShadowError} when it cannot be asked
 */
export async function describeBrokerConfig (cluster: Cluster, nodeId: number, name: string, { signal }: { readonly signal: AbortSignal }): Promise<string | null> {
  const { body } = await cluster.request(DescribeConfigs, {
    resources: [{ resourceType: BROKER_RESOURCE, resourceName: String(nodeId), configurationKeys: [name] }]
  }, nodeId, { signal, purpose: 'slow' })
  const row = body.results.find(({ resourceName }) => resourceName === String(nodeId))
  checkAnswer(row, `DescribeConfigs of broker ${nodeId}`)
  return row?.configs.find(config => config.name === name)?.value ?? null
}
