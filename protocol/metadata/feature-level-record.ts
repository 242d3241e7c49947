import { int16, string } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** The level of a feature was finalized; 0 takes the feature away. */
export const FeatureLevelRecord = recordType({
  key: 12,
  kind: 'featureLevel',
  name: 'FeatureLevelRecord',
  versions: '0',
  fields: {
    name: string(),
    featureLevel: int16()
  }
})
