import { api } from '../schema/api.ts'
import { array, bool, int16, int32, int8, string, uuid, ZERO_UUID } from '../schema/field.ts'

/** Creates topics. */
export const CreateTopics = api({
  key: 19,
  name: 'CreateTopics',
  versions: '0-7',
  flexible: '5+',
  target: 'controller',
  request: {
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array({
        partitionIndex: int32(),
        brokerIds: array(int32(), '0+', { entity: 'brokerId' })
      }),
      configs: array({
        name: string(),
        value: string('0+', { nullable: '0+' })
      })
    }),
    timeoutMs: int32('0+', { default: 60000 }),
    validateOnly: bool('1+', { default: false })
  },
  response: {
    throttleTimeMs: int32('2+', { default: 0, ignorable: true }),
    topics: array({
      name: string('0+', { entity: 'topicName' }),
      topicId: uuid('7+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      errorCode: int16(),
      errorMessage: string('1+', { nullable: '1+', default: '', ignorable: true }),
      topicConfigErrorCode: int16('5+', { ignorable: true, tag: 0 }),
      numPartitions: int32('5+', { default: -1, ignorable: true }),
      replicationFactor: int16('5+', { default: -1, ignorable: true }),
      configs: array({
        name: string(),
        value: string('0+', { nullable: '0+' }),
        readOnly: bool(),
        configSource: int8('0+', { default: -1 }),
        isSensitive: bool()
      }, '5+', { nullable: '5+', default: [], ignorable: true })
    })
  }
})
