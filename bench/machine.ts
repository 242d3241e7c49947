/** Where and when it was measured. */
import { cpus, loadavg, totalmem } from 'node:os'
import { crc32cImplementation } from '../protocol/records/crc32c.ts'

export function machineLines (): string[] {
  const processors = cpus()
  return [
    `Machine: ${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 1e9)} GB, ${process.platform} ${process.arch}; every process of a measurement runs on it`,
    `Node.js ${process.versions.node} (V8 ${process.versions.v8}); CRC-32C: ${crc32cImplementation}`,
    `Date: ${new Date().toISOString()}`
  ]
}

/** How busy the machine was before: on one that does other things, numbers are worth little. */
export function loadLine (): string {
  const [lastMinute = 0] = loadavg()
  return `Load average of the minute before: ${lastMinute.toFixed(2)} on ${cpus().length} processors${lastMinute > cpus().length / 2 ? ' — **the machine was busy with something else: do not rely on these numbers**' : ''}`
}
