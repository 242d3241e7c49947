/** Append mode replica copies all that a source can hold, to the bit; other releases are in test/matrix/. */
import tap from 'tap'
import { proveExactness } from '../support/replica-exactness.ts'

tap.setTimeout(280_000)

await tap.test('from Apache Kafka 4.1 to 4.3', async t => await proveExactness(t, { source: '4.1', shadow: '4.3' }))
