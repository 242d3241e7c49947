/** Numbers for people. What is not known is said to be so, and is never 0. */
import { formatDuration } from '../../config/duration.ts'

export const UNKNOWN = '-'

export function formatCount (count: number | null): string {
  return count === null ? UNKNOWN : String(count)
}

/** `850ms`, `12s`, `3m5s`. */
export function formatMs (ms: number): string {
  const rounded = ms < 1000 ? Math.round(ms) : Math.round(ms / 1000) * 1000
  return rounded < 1000 ? `${rounded}ms` : formatDuration(rounded)
}

export function formatAgo (ms: number | null): string {
  return ms === null ? UNKNOWN : `${formatMs(ms)} ago`
}

/** Seconds of lag. */
export function formatLag (seconds: number | null): string {
  if (seconds === null) return UNKNOWN
  return seconds === 0 ? '0s' : formatMs(seconds * 1000)
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

export function formatBytes (bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit] ?? ''}`
}
