import fc from 'fast-check'
import { test } from 'tap'
import { catchUp, differenceOf, Shadow } from './fixture.ts'

const batch = fc.record({ records: fc.integer({ min: 1, max: 6 }), hole: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 50 }) }), valueBytes: fc.integer({ min: 0, max: 120 }) })

const follower = fc.record({ maxBytes: fc.integer({ min: 1, max: 4000 }), partitionMaxBytes: fc.integer({ min: 1, max: 2000 }), useSessions: fc.boolean(), startsAfter: fc.nat(8) })

test('whatever the batches, holes, followers and budgets: each follower gets the source, batch by batch', async t => {
  await fc.assert(fc.asyncProperty(
    fc.array(batch, { minLength: 1, maxLength: 40 }), fc.array(batch, { maxLength: 10 }),
    fc.array(follower, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 100, max: 1500 }),
    async (before, after, wanted, budgetBytes, answerBytes) => {
      const shadow = await Shadow.start(t, { budgetBytes, answerBytes, partitions: 2 })
      const logs = [shadow.source.log('orders', 0), shadow.source.log('orders', 1)]
      for (const [index, log] of logs.entries()) {
        for (const input of before) log.append(input)
        shadow.serve(index)
      }
      const followers = await Promise.all(wanted.map(({ startsAfter, ...options }, index) => shadow.follower([1, 2, 4][index] ?? 1, options)))
      await Promise.all(followers.map(async (one, index) => {
        for (let round = 0; round < (wanted[index]?.startsAfter ?? 0); round++) await new Promise(resolve => { setImmediate(resolve) })
        for (let partition = 0; partition < 2; partition++) await catchUp(one, logs[partition]?.end ?? 0, partition)
      }))
      for (const log of logs) for (const input of after) log.append(input)
      shadow.source.changed()
      await Promise.all(followers.map(async one => {
        for (let partition = 0; partition < 2; partition++) await catchUp(one, logs[partition]?.end ?? 0, partition)
      }))
      for (const one of followers) {
        for (const [partition, log] of logs.entries()) {
          const difference = differenceOf(one.replica(partition), log)
          if (difference !== null) throw new Error(difference)
        }
      }
      if (shadow.faults.length > 0) throw new Error(shadow.faults[0]?.reason)
      for (let partition = 0; partition < 2; partition++) shadow.shadow(partition).stop()
      shadow.source.stop()
      await shadow.server.close()
    }
  ), { numRuns: 40, seed: 11 })
  t.pass('no difference')
})
