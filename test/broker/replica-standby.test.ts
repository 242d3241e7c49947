/** Append mode replica with two engines, each a broker of the shadow cluster. */
import tap, { test } from 'tap'
import { standbyLife } from '../support/standby-life.ts'

tap.setTimeout(290_000)

test('an engine stands by in the ISR, and leads when the other one is away', async t => { await standbyLife(t, '4.3') })
