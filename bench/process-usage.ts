/** What a process has used so far, as Linux tells it in /proc. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface ProcessUsage {
  readonly cpuSeconds: number
  /** The most memory that was ever resident. */
  readonly peakBytes: number
}

let ticksPerSecond: number | null = null

/** @throws {Error} when there is no such process, or no /proc */
export function processUsage (pid: number): ProcessUsage {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name before may hold spaces and brackets. utime and stime are the fields 14 and 15, of which 3 is the first after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  const usage = { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond, peakBytes: Number(peak?.[1]) * 1024 }
  if (Number.isNaN(usage.cpuSeconds) || Number.isNaN(usage.peakBytes)) throw new Error(`process ${pid} has ended, or /proc is not that of Linux`)
  return usage
}
