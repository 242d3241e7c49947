import { api } from '../schema/api.ts'
import { bool, int16, int32, int64, string } from '../schema/field.ts'

/** Commits or aborts a transaction. */
export const EndTxn = api({
  key: 26,
  name: 'EndTxn',
  versions: '0-5',
  flexible: '3+',
  target: 'transactionCoordinator',
  request: {
    transactionalId: string('0+', { entity: 'transactionalId' }),
    producerId: int64('0+', { entity: 'producerId' }),
    producerEpoch: int16(),
    committed: bool()
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64('5+', { default: -1n, ignorable: true, entity: 'producerId' }),
    producerEpoch: int16('5+', { default: -1, ignorable: true })
  }
})
