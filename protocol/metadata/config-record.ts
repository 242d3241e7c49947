import { int8, string } from '../schema/field.ts'
import { recordType } from './record-type.ts'

/** A dynamic config of a resource was set, or removed if the value is null. Resource types are those of ConfigResource.Type: 2 is a topic, 4 a broker. */
export const ConfigRecord = recordType({
  key: 4,
  kind: 'config',
  name: 'ConfigRecord',
  versions: '0',
  fields: {
    resourceType: int8(),
    resourceName: string(),
    name: string(),
    value: string('0+', { nullable: '0+' })
  }
})
