import { api } from '../schema/api.ts'
import { array, bool, int16, int32, int8, string } from '../schema/field.ts'

/** The brokers or controllers of the cluster (KIP-700, KIP-919). */
export const DescribeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  versions: '0-2',
  flexible: '0+',
  request: {
    includeClusterAuthorizedOperations: bool(),
    endpointType: int8('1+', { default: 1 }),
    includeFencedBrokers: bool('2+', { default: false })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    endpointType: int8('1+', { default: 1 }),
    clusterId: string(),
    controllerId: int32('0+', { default: -1, entity: 'brokerId' }),
    brokers: array({
      brokerId: int32('0+', { entity: 'brokerId' }),
      host: string('0+', { entity: 'host' }),
      port: int32(),
      rack: string('0+', { nullable: '0+', default: null }),
      isFenced: bool('2+', { default: false })
    }),
    clusterAuthorizedOperations: int32('0+', { default: -2147483648 })
  }
})
