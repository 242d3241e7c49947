/** What test/broker/replica-standby does with the newest release, with the others: they differ in when a reassignment is complete. */
import tap, { test } from 'tap'
import { standbyLife } from '../support/standby-life.ts'

tap.setTimeout(590_000)

for (const version of ['3.9', '4.1'] as const) {
  test(`an engine stands by in the ISR, and leads when the other one is away, on Kafka ${version}`, async t => { await standbyLife(t, version) })
}
