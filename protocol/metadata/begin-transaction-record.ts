import { string } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** The records from here on count once EndTransactionRecord has come, and never if AbortTransactionRecord comes instead (KIP-868). */
export const BeginTransactionRecord = recordType({
  key: 23,
  kind: 'beginTransaction',
  name: 'BeginTransactionRecord',
  versions: '0',
  fields: {
    name: string('0+', { nullable: '0+', default: null, tag: 0 })
  }
})
