/** What test/broker/replica-exactness.test.ts proves, between other releases. */
import tap from 'tap'
import { proveExactness } from '../support/replica-exactness.ts'

tap.setTimeout(580_000)

await tap.test('from Apache Kafka 3.9 to 4.3', async t => await proveExactness(t, { source: '3.9', shadow: '4.3' }))
