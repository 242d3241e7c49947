import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { DescribeCluster } from '../../../protocol/messages/describe-cluster.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { BrokerState } from '../broker-state.ts'

const BROKERS = 1

export function describeCluster (state: BrokerState, { endpointType }: RequestOf<typeof DescribeCluster>): ResponseInput<typeof DescribeCluster> {
  const { nodeId, clusterId } = state
  const { host, port } = state.advertised()
  if (endpointType !== BROKERS) {
    return { throttleTimeMs: 0, errorCode: ErrorCodes.MISMATCHED_ENDPOINT_TYPE, errorMessage: 'The request was sent to an endpoint of type BROKER, but it was intended for an endpoint of another type', endpointType: BROKERS, clusterId, brokers: [] }
  }
  return { throttleTimeMs: 0, errorCode: ErrorCodes.NONE, endpointType, clusterId, controllerId: nodeId, brokers: [{ brokerId: nodeId, host, port }] }
}
