import { test } from 'tap'
import { FrameMemory } from '../../src/net/frame-memory.ts'

const KIB = 1024

test('memory that was given back is used again, for frames that fit', async t => {
  const memory = new FrameMemory(4096 * KIB)
  const first = memory.take(300 * KIB)
  t.equal(first.length, 300 * KIB)
  memory.give(first.subarray(100, 200))
  t.equal(memory.freeBytes, 512 * KIB)
  const second = memory.take(500 * KIB)
  t.equal(second.buffer, first.buffer)
  t.equal(memory.freeBytes, 0)
  t.not(memory.take(100 * KIB).buffer, first.buffer, 'what is in use is not handed out')
})

test('the smallest that fits is taken, and what is too small is left', async t => {
  const memory = new FrameMemory(8192 * KIB)
  const [small, large] = [memory.take(400 * KIB), memory.take(2000 * KIB)]
  memory.give(large)
  memory.give(small)
  t.equal(memory.take(300 * KIB).buffer, small.buffer)
  t.equal(memory.take(600 * KIB).buffer, large.buffer)
})

test('no more is kept than was allowed', async t => {
  const memory = new FrameMemory(1024 * KIB)
  const taken = [1, 2, 3].map(() => memory.take(512 * KIB))
  for (const buffer of taken) memory.give(buffer)
  t.equal(memory.freeBytes, 1024 * KIB)
  t.equal(memory.take(1025 * KIB).length, 1025 * KIB)
})

test('small pieces make room for a larger one, and a small one keeps no larger one out', async t => {
  const memory = new FrameMemory(2048 * KIB)
  const [first, second, large] = [memory.take(512 * KIB), memory.take(512 * KIB), memory.take(1500 * KIB)]
  memory.give(first)
  memory.give(second)
  memory.give(large)
  t.equal(memory.freeBytes, 2048 * KIB)
  t.equal(memory.take(1400 * KIB).buffer, large.buffer)
  memory.give(memory.take(600 * KIB))
  t.equal(memory.freeBytes, 1536 * KIB, 'one of the small ones is left')
})

test('memory that is given back twice is a defect; foreign and small memory is none of its business', async t => {
  const memory = new FrameMemory(4096 * KIB)
  const taken = memory.take(100 * KIB)
  memory.give(taken)
  t.throws(() => { memory.give(taken) }, { code: 'INVARIANT' })
  memory.give(Buffer.alloc(100 * KIB))
  memory.give(memory.take(10))
  t.equal(memory.freeBytes, 512 * KIB)
})
