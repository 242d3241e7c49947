import { test } from 'tap'
import { ProducerIdGate } from '../../../../src/replication/append/replica/producer-id-gate.ts'

interface Recording {
  readonly recorded: number[]
  readonly gate: ProducerIdGate
  readonly raised: () => number
  readonly fail: (times: number) => void
}

function setUp (highest: number): Recording {
  const recorded: number[] = []
  let raised = 0
  let failures = 0
  const gate = new ProducerIdGate({
    highest,
    record: async producerId => {
      if (failures-- > 0) throw new Error('the state topic has no leader')
      recorded.push(producerId)
    },
    signal: new AbortController().signal,
    onRaised: () => { raised++ }
  })
  return { recorded, gate, raised: () => raised, fail: times => { failures = times } }
}

async function settled (): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 10))
}

test('a batch whose producer id is recorded may go on at once', async t => {
  const { gate, recorded } = setUp(500)
  t.ok(gate.mayServe(500))
  await settled()
  t.same(recorded, [])
})

test('a higher one is held back until it has been recorded, with room for those that follow', async t => {
  const { gate, recorded, raised } = setUp(-1)
  t.notOk(gate.mayServe(7))
  t.notOk(gate.mayServe(9), 'also while it is being recorded')
  await settled()
  t.same(recorded, [1007])
  t.equal(raised(), 1)
  t.ok(gate.mayServe(7))
  t.ok(gate.mayServe(1007))
  t.notOk(gate.mayServe(1008))
  await settled()
  t.same(recorded, [1007, 2008])
})

test('what could not be recorded stays held back, and is recorded later', async t => {
  const { gate, recorded, raised, fail } = setUp(-1)
  fail(1)
  t.notOk(gate.mayServe(7))
  await Promise.resolve()
  t.notOk(gate.mayServe(7))
  while (raised() === 0) await settled()
  t.same(recorded, [1007])
  t.ok(gate.mayServe(7))
})
