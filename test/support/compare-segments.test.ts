import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { compareSegments } from './compare-segments.ts'

/** A batch of one record; its bytes after the header are `text`. */
function batch (baseOffset: number, text: string, leaderEpoch = 0): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(61), Buffer.from(text)])
  bytes.writeBigInt64BE(BigInt(baseOffset), 0)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt32BE(leaderEpoch, 12)
  bytes.writeInt8(2, 16)
  return bytes
}

function folders (t: Test): (side: string, segments: Record<string, Buffer[]>) => string {
  const root = t.testdir()
  return (side, segments) => {
    const folder = join(root, side)
    mkdirSync(folder, { recursive: true })
    for (const [name, batches] of Object.entries(segments)) writeFileSync(join(folder, name), Buffer.concat(batches))
    return folder
  }
}

test('segments that begin elsewhere, leader epochs and other files make no difference', async t => {
  const write = folders(t)
  const left = write('left', { '00000000000000000005.log': [batch(5, 'five'), batch(6, 'six')], '00000000000000000007.log': [batch(7, 'seven')], '00000000000000000005.index': [Buffer.from('left')] })
  const right = write('right', { '00000000000000000005.log': [batch(5, 'five', 9)], '00000000000000000006.log': [batch(6, 'six', 10), batch(7, 'seven', 2 ** 31 - 1)] })
  t.same(compareSegments(left, right), { batches: 3, bytes: 65 + 64 + 66, startOffset: 5, endOffset: 8, difference: null })
})

test('every other byte makes a difference, and it says where', async t => {
  const write = folders(t)
  const intact = batch(5, 'value')
  const left = write('left', { '00000000000000000005.log': [intact, batch(6, 'next')] })
  for (let at = 0; at < intact.length; at++) {
    // Another length or magic is another story.
    if (at >= 8 && at < 17) continue
    const changed = Buffer.from(intact)
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
    const { batches, difference } = compareSegments(left, write('right', { '00000000000000000005.log': [changed, batch(6, 'next')] }))
    t.equal(batches, 0)
    t.match(difference, new RegExp(`differ at byte ${at}:`))
  }
})

test('a batch that one side lacks makes a difference', async t => {
  const write = folders(t)
  const both = write('both', { '00000000000000000005.log': [batch(5, 'five'), batch(6, 'six')] })
  const one = write('one', { '00000000000000000005.log': [batch(5, 'five')] })
  const none = write('none', { '00000000000000000005.log': [] })
  t.match(compareSegments(both, one), { batches: 1, endOffset: 6, difference: /one ends before the batch at 6/ })
  t.match(compareSegments(one, both), { batches: 1, endOffset: 6, difference: /one ends before the batch at 6/ })
  t.match(compareSegments(none, both), { batches: 0, startOffset: null, difference: /none ends before the batch at 5/ })
  t.match(compareSegments(write('longer', { '00000000000000000005.log': [batch(5, 'five!')] }), one), { difference: /differ at byte 11/ })
  t.match(compareSegments(none, none), { batches: 0, difference: null })
})

test('a file that is cut anywhere is no whole batches', async t => {
  const write = folders(t)
  const intact = Buffer.concat([batch(5, 'five'), batch(6, 'six')])
  for (let length = 1; length < intact.length; length++) {
    const folder = write('cut', { '00000000000000000005.log': [intact.subarray(0, length)] })
    if (length === 65) t.equal(compareSegments(folder, folder).batches, 1)
    else t.throws(() => compareSegments(folder, folder), /does not end with a whole batch/, `cut at ${length}`)
  }
  const negative = Buffer.from(intact)
  negative.writeInt32BE(-12, 8)
  const folder = write('cut', { '00000000000000000005.log': [negative] })
  t.throws(() => compareSegments(folder, folder), /does not end with a whole batch/)
})
