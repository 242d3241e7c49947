import { uuid } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** A topic was deleted, and its partitions and configs with it. */
export const RemoveTopicRecord = recordType({
  key: 9,
  kind: 'removeTopic',
  name: 'RemoveTopicRecord',
  versions: '0',
  fields: {
    topicId: uuid('0+', { entity: 'topicId' })
  }
})
