import { api } from '../schema/api.ts'
import { bytes, int16, int64, string } from '../schema/field.ts'

/** Carries one step of a SASL exchange (KIP-152). */
export const SaslAuthenticate = api({
  key: 36,
  name: 'SaslAuthenticate',
  versions: '0-2',
  flexible: '2+',
  request: {
    authBytes: bytes()
  },
  response: {
    errorCode: int16(),
    errorMessage: string('0+', { nullable: '0+' }),
    authBytes: bytes(),
    sessionLifetimeMs: int64('1+', { default: 0n, ignorable: true })
  }
})
