import { api } from '../schema/api.ts'
import { array, bool, int16, int32, int64, string } from '../schema/field.ts'

const addPartitionsToTxnPartitionResult = {
  partitionIndex: int32(),
  partitionErrorCode: int16()
}

const addPartitionsToTxnTopicResult = {
  name: string('0+', { entity: 'topicName' }),
  resultsByPartition: array(addPartitionsToTxnPartitionResult)
}

const addPartitionsToTxnTopic = {
  name: string('0+', { entity: 'topicName' }),
  partitions: array(int32())
}

/** Adds partitions to a transaction. Version 4 and above are spoken between brokers only (KIP-890). */
export const AddPartitionsToTxn = api({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: '0-5',
  flexible: '3+',
  target: 'transactionCoordinator',
  request: {
    transactions: array({
      transactionalId: string('0+', { entity: 'transactionalId' }),
      producerId: int64('0+', { entity: 'producerId' }),
      producerEpoch: int16(),
      verifyOnly: bool('0+', { default: false }),
      topics: array(addPartitionsToTxnTopic)
    }, '4+', { default: [] }),
    v3AndBelowTransactionalId: string('0-3', { default: '', entity: 'transactionalId' }),
    v3AndBelowProducerId: int64('0-3', { default: 0n, entity: 'producerId' }),
    v3AndBelowProducerEpoch: int16('0-3', { default: 0 }),
    v3AndBelowTopics: array(addPartitionsToTxnTopic, '0-3', { default: [] })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16('4+', { default: 0, ignorable: true }),
    resultsByTransaction: array({
      transactionalId: string('0+', { entity: 'transactionalId' }),
      topicResults: array(addPartitionsToTxnTopicResult)
    }, '4+', { default: [] }),
    resultsByTopicV3AndBelow: array(addPartitionsToTxnTopicResult, '0-3', { default: [] })
  }
})
