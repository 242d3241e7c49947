import { recordType } from './record-type.ts'

/** Changes nothing: it moves the end of the metadata log on (KIP-835). */
export const NoOpRecord = recordType({
  key: 20,
  kind: 'noOp',
  name: 'NoOpRecord',
  versions: '0',
  fields: {}
})
