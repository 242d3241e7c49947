import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { DescribeCluster } from '../../../protocol/messages/describe-cluster.ts'
import type { ResponseInput } from '../../../protocol/schema/api.ts'
import type { AddressContext } from '../offer.ts'
import { shownController } from './controller.ts'

type Answer = ResponseInput<typeof DescribeCluster>

const BROKERS = 1

/** Brokers get the addresses of their ports here. Controllers have no port, and ids of their own: none of them is told. */
export function rewriteDescribeCluster (body: Answer, context: AddressContext): Answer {
  const { ports } = context
  if ((body.endpointType ?? BROKERS) !== BROKERS) {
    const isError = body.errorCode !== 0
    return {
      ...body,
      brokers: [],
      controllerId: -1,
      errorCode: isError ? body.errorCode : ErrorCodes.MISMATCHED_ENDPOINT_TYPE,
      errorMessage: isError ? body.errorMessage : 'the sidecar of kafka-shadow leads to brokers only'
    }
  }
  const brokers = body.brokers.flatMap(broker => {
    const address = ports.addressOf(broker.brokerId)
    return address === null ? [] : [{ ...broker, ...address }]
  })
  return { ...body, brokers, controllerId: shownController(body.controllerId, brokers.map(({ brokerId }) => brokerId), context) }
}
