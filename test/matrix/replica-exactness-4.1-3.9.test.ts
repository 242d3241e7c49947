/** What test/broker/replica-exactness.test.ts proves, between other releases. */
import tap from 'tap'
import { proveExactness } from '../support/replica-exactness.ts'

tap.setTimeout(580_000)

await tap.test('from Apache Kafka 4.1 to 3.9', async t => await proveExactness(t, { source: '4.1', shadow: '3.9' }))
