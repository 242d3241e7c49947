import { api } from '../schema/api.ts'
import { array, bool, int16, int32, int64, string } from '../schema/field.ts'

/** Which versions of which APIs the broker speaks, and its features (KIP-35, KIP-511, KIP-584). */
export const ApiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: '0-4',
  flexible: '3+',
  request: {
    clientSoftwareName: string('3+', { default: '', ignorable: true }),
    clientSoftwareVersion: string('3+', { default: '', ignorable: true })
  },
  response: {
    errorCode: int16(),
    apiKeys: array({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16()
    }),
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    supportedFeatures: array({
      name: string(),
      minVersion: int16(),
      maxVersion: int16()
    }, '3+', { ignorable: true, tag: 0 }),
    finalizedFeaturesEpoch: int64('3+', { default: -1n, ignorable: true, tag: 1 }),
    finalizedFeatures: array({
      name: string(),
      maxVersionLevel: int16(),
      minVersionLevel: int16()
    }, '3+', { ignorable: true, tag: 2 }),
    zkMigrationReady: bool('3+', { default: false, ignorable: true, tag: 3 })
  }
})
