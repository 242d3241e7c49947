import { api } from '../schema/api.ts'
import { array, bool, float64, int16, int32, string } from '../schema/field.ts'

/** Changes client quotas (KIP-546). */
export const AlterClientQuotas = api({
  key: 49,
  name: 'AlterClientQuotas',
  versions: '0-1',
  flexible: '1+',
  target: 'controller',
  request: {
    entries: array({
      entity: array({
        entityType: string(),
        entityName: string('0+', { nullable: '0+' })
      }),
      ops: array({
        key: string(),
        value: float64(),
        remove: bool()
      })
    }),
    validateOnly: bool()
  },
  response: {
    throttleTimeMs: int32(),
    entries: array({
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+' }),
      entity: array({
        entityType: string(),
        entityName: string('0+', { nullable: '0+' })
      })
    })
  }
})
