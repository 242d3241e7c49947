import { Writable } from 'node:stream'
import { pino } from 'pino'
import { test } from 'tap'
import { FailoverTotals } from '../../../../src/replication/append/replica/failover-totals.ts'

test('the longest of each step is told when the last topic is done, also after one that stopped', async t => {
  const lines: unknown[] = []
  const logger = pino(new Writable({
    write (chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()))
      done()
    }
  }))
  let nowMs = 1000
  const totals = new FailoverTotals(logger, () => nowMs)
  await Promise.allSettled([
    totals.during(async () => totals.add(1, { handOverMs: 5, recordMs: 9 })),
    totals.during(async () => totals.add(3, { handOverMs: 7, recordMs: 2 })),
    totals.during(async () => {
      nowMs = 1500
      throw new Error('no')
    })
  ])
  t.match(lines, [{ topics: 2, partitions: 4, longest: { handOverMs: 7, recordMs: 9 }, totalMs: 500 }])
  await totals.during(async () => totals.add(1, { handOverMs: 1 }))
  t.equal(lines.length, 1, 'a single topic tells for itself')
})
