import { string } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** The eligible leader replicas of a topic were cleared; of all topics if the name is empty (KIP-966). */
export const ClearElrRecord = recordType({
  key: 28,
  kind: 'clearElr',
  name: 'ClearElrRecord',
  versions: '0',
  fields: {
    topicName: string('0+', { entity: 'topicName' })
  }
})
