import { string, uuid } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** A topic was created; its partitions follow in records of their own. */
export const TopicRecord = recordType({
  key: 2,
  kind: 'topic',
  name: 'TopicRecord',
  versions: '0',
  fields: {
    name: string('0+', { entity: 'topicName' }),
    topicId: uuid('0+', { entity: 'topicId' })
  }
})
