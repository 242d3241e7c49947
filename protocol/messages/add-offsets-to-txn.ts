import { api } from '../schema/api.ts'
import { int16, int32, int64, string } from '../schema/field.ts'

/** Adds the offsets of a group to a transaction. */
export const AddOffsetsToTxn = api({
  key: 25,
  name: 'AddOffsetsToTxn',
  versions: '0-4',
  flexible: '3+',
  target: 'transactionCoordinator',
  request: {
    transactionalId: string('0+', { entity: 'transactionalId' }),
    producerId: int64('0+', { entity: 'producerId' }),
    producerEpoch: int16(),
    groupId: string('0+', { entity: 'groupId' })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16()
  }
})
