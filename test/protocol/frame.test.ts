import fc from 'fast-check'
import { test } from 'tap'
import { FrameReader } from '../../protocol/frame.ts'

const frames = fc.array(fc.oneof({ weight: 4, arbitrary: fc.nat(40) }, { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 200_000 }) }), { minLength: 1, maxLength: 12 })
const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 90_000 })), { minLength: 1, maxLength: 40 })

/** Frames of these lengths one after another, each filled with its number. */
function stream (lengths: readonly number[]): { readonly bytes: Buffer, readonly contents: Buffer[] } {
  const contents = lengths.map((length, index) => Buffer.alloc(length, index + 1))
  const parts = contents.flatMap(content => {
    const head = Buffer.alloc(4)
    head.writeInt32BE(content.length)
    return [head, content]
  })
  return { bytes: Buffer.concat(parts), contents }
}

test('frames come whole and in order, wherever the chunks of the stream end', async t => {
  fc.assert(fc.property(frames, cuts, (lengths, sizes) => {
    const { bytes, contents } = stream(lengths)
    const reader = new FrameReader()
    const seen: Buffer[] = []
    for (let at = 0, index = 0; at < bytes.length; index++) {
      const size = sizes[index % sizes.length] ?? 1
      reader.push(bytes.subarray(at, at + size), frame => seen.push(frame))
      at += size
    }
    return seen.length === contents.length && seen.every((frame, index) => frame.equals(contents[index] ?? Buffer.alloc(0))) && reader.pendingBytes === 0
  }), { seed: 11, numRuns: 100 })
  t.pass('any chunks')
})

test('what is read to where the reader says is the same, and stays so when that memory is used again', async t => {
  fc.assert(fc.property(frames, cuts, (lengths, sizes) => {
    const { bytes, contents } = stream(lengths)
    const reader = new FrameReader()
    const seen: Buffer[] = []
    for (let at = 0, index = 0; at < bytes.length; index++) {
      const space = reader.space()
      const count = Math.min(sizes[index % sizes.length] ?? 1, space.length, bytes.length - at)
      bytes.copy(space, 0, at, at + count)
      reader.filled(count, frame => seen.push(frame))
      at += count
    }
    reader.space().fill(0xee)
    return seen.length === contents.length && seen.every((frame, index) => frame.equals(contents[index] ?? Buffer.alloc(0))) && reader.pendingBytes === 0
  }), { seed: 12, numRuns: 100 })
  t.pass('any reads')
})

test('no more is asked for than belongs to the frame under way', async t => {
  const reader = new FrameReader()
  reader.push(Buffer.from([0, 1, 0, 0, 7]), () => t.fail('not complete'))
  t.equal(reader.space().length, 0x10000 - 1)
})

test('a length that no frame can have is refused before anything is kept for it, with a hint at other protocols', async t => {
  const push = (bytes: Buffer): void => new FrameReader(1000).push(bytes, () => {})
  t.throws(() => push(Buffer.from([0xff, 0xff, 0xff, 0xff])), { code: 'DECODE_FAILED', message: /-1 bytes/ })
  t.throws(() => push(Buffer.from([0, 0, 4, 0])), { code: 'DECODE_FAILED', message: /1024 bytes \(at most 1000\)/ })
  t.throws(() => push(Buffer.from([0x16, 3, 1, 2])), { message: /speaks TLS/ })
  t.throws(() => push(Buffer.from('HTTP/1.1 400')), { message: /speaks HTTP/ })
})
