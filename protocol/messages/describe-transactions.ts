import { api } from '../schema/api.ts'
import { array, int16, int32, int64, string } from '../schema/field.ts'

/** The state of transactions (KIP-664). */
export const DescribeTransactions = api({
  key: 65,
  name: 'DescribeTransactions',
  versions: '0',
  flexible: '0+',
  target: 'transactionCoordinator',
  request: {
    transactionalIds: array(string(), '0+', { entity: 'transactionalId' })
  },
  response: {
    throttleTimeMs: int32(),
    transactionStates: array({
      errorCode: int16(),
      transactionalId: string('0+', { entity: 'transactionalId' }),
      transactionState: string(),
      transactionTimeoutMs: int32(),
      transactionStartTimeMs: int64(),
      producerId: int64('0+', { entity: 'producerId' }),
      producerEpoch: int16(),
      topics: array({
        topic: string('0+', { entity: 'topicName' }),
        partitions: array(int32())
      })
    })
  }
})
