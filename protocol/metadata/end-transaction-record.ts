import { recordType } from './record-type.ts'

/** The records since BeginTransactionRecord count. */
export const EndTransactionRecord = recordType({
  key: 24,
  kind: 'endTransaction',
  name: 'EndTransactionRecord',
  versions: '0',
  fields: {}
})
