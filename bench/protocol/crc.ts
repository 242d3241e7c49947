/** CRC-32C: every batch that is copied is checked. */
import { crc32c as crc32cOfPlatformatic } from '@platformatic/kafka'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { crc32c, crc32cImplementation } from '../../protocol/records/crc32c.ts'
import { PROJECT_ROOT } from '../../test/support/project-root.ts'
import { Random } from '../../test/support/random.ts'
import { number, type PartReport } from '../report.ts'
import type { BenchOptions } from '../run.ts'
import { speedOf } from './measure.ts'
import { kafkajs, method } from './peers.ts'

const SIZES = [1024, 64 * 1024, 1024 * 1024]

export async function measureCrc ({ signal, progress }: BenchOptions): Promise<PartReport> {
  const require = createRequire(join(PROJECT_ROOT, 'package.json'))
  const inJavaScript: unknown = require('fast-crc32c/impls/js_crc32c')
  const implementations: ReadonlyArray<readonly [name: string, calculate: (data: Buffer) => unknown]> = [
    [`${crc32cImplementation === 'native' ? 'sse4_crc32, native' : 'fast-crc32c in JavaScript: **the native part was not built**'} (what the engine uses)`, crc32c],
    ['fast-crc32c in JavaScript (its fallback)', method(inJavaScript, 'calculate')],
    ['kafkajs', method({ crc: kafkajs('protocol/recordBatch/crc32C/index.js') }, 'crc')],
    ['@platformatic/kafka', data => crc32cOfPlatformatic(data)]
  ]
  const rows: string[][] = []
  for (const [name, calculate] of implementations) {
    progress(name)
    const cells: string[] = []
    for (const size of SIZES) {
      signal.throwIfAborted()
      const data = new Random(size).bytes(size)
      if (Number(calculate(data)) >>> 0 !== crc32c(data)) throw new Error(`${name} has another CRC`)
      const { perSecond, marginPercent } = await speedOf(() => calculate(data))
      cells.push(`${number(perSecond * size / 1e6)} MB/s ±${marginPercent.toFixed(0)} %`)
    }
    rows.push([name, ...cells])
  }
  return {
    title: 'CRC-32C',
    conditions: ['One thread, data in memory and in the processor\'s caches as far as it fits; median of the samples of benchmark.js, and the 95 % interval of their mean'],
    tables: [{ columns: ['Implementation', ...SIZES.map(size => `${size / 1024} KiB`)], rows }],
    targets: []
  }
}
