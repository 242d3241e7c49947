/** What processes use in a while, beside what they have used altogether. */
import { readFileSync } from 'node:fs'
import { sleep } from '../src/net/sleep.ts'
import { processUsage } from './process-usage.ts'

export interface Load {
  /** Of one core. */
  readonly cpuPercent: number
  /** Read and written, by sockets and files alike. */
  readonly kilobytesPerSecond: number
}

/** What processes do in the seconds to come, in the order of `pids`. */
export async function loads (pids: readonly number[], seconds: number, signal: AbortSignal): Promise<Load[]> {
  const before = pids.map(pid => ({ cpuSeconds: processUsage(pid).cpuSeconds, bytes: transferredBytes(pid) }))
  const startMs = performance.now()
  await sleep(seconds * 1000, signal)
  const tookSeconds = (performance.now() - startMs) / 1000
  return pids.map((pid, index) => ({
    cpuPercent: (processUsage(pid).cpuSeconds - (before[index]?.cpuSeconds ?? NaN)) / tookSeconds * 100,
    kilobytesPerSecond: (transferredBytes(pid) - (before[index]?.bytes ?? NaN)) / tookSeconds / 1000
  }))
}

function transferredBytes (pid: number): number {
  const io = readFileSync(`/proc/${pid}/io`, 'utf8')
  return Number(/^rchar: (\d+)$/m.exec(io)?.[1]) + Number(/^wchar: (\d+)$/m.exec(io)?.[1])
}
