import { api } from '../schema/api.ts'
import { bool, int16, int32, int64, string } from '../schema/field.ts'

/** Hands out a producer id; without a transactional id any broker answers. */
export const InitProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: '0-6',
  flexible: '2+',
  target: 'transactionCoordinator',
  request: {
    transactionalId: string('0+', { nullable: '0+', entity: 'transactionalId' }),
    transactionTimeoutMs: int32(),
    producerId: int64('3+', { default: -1n, entity: 'producerId' }),
    producerEpoch: int16('3+', { default: -1 }),
    enable2Pc: bool('6+', { default: false }),
    keepPreparedTxn: bool('6+', { default: false })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64('0+', { default: -1n, entity: 'producerId' }),
    producerEpoch: int16(),
    ongoingTxnProducerId: int64('6+', { default: -1n, entity: 'producerId' }),
    ongoingTxnProducerEpoch: int16('6+', { default: -1 })
  }
})
