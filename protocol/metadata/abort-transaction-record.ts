import { string } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** The records since BeginTransactionRecord never were. */
export const AbortTransactionRecord = recordType({
  key: 25,
  kind: 'abortTransaction',
  name: 'AbortTransactionRecord',
  versions: '0',
  fields: {
    reason: string('0+', { nullable: '0+', default: null, tag: 0 })
  }
})
