import { api } from '../schema/api.ts'
import { array, int16, int32, string, uuid, ZERO_UUID } from '../schema/field.ts'

/** Removes topics. */
export const DeleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  versions: '0-6',
  flexible: '4+',
  target: 'controller',
  request: {
    topics: array({
      name: string('0+', { nullable: '0+', default: null, entity: 'topicName' }),
      topicId: uuid('0+', { entity: 'topicId' })
    }, '6+', { default: [] }),
    topicNames: array(string(), '0-5', { default: [], ignorable: true, entity: 'topicName' }),
    timeoutMs: int32()
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    responses: array({
      name: string('0+', { nullable: '6+', entity: 'topicName' }),
      topicId: uuid('6+', { default: ZERO_UUID, ignorable: true, entity: 'topicId' }),
      errorCode: int16(),
      errorMessage: string('5+', { nullable: '5+', default: null, ignorable: true })
    })
  }
})
