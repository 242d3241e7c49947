/** Durations as `rpk shadow` writes them: Go's notation, such as `30s`, `1m30s` or `500ms`. */

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds, or null for a text that is not a duration. */
export function parseDuration (text: string): number | null {
  if (text === '0') return 0
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(part => part[0]).join('') !== text) return null
  let ms = 0
  for (const [, number, unit] of parts) ms += Number(number) * (UNITS_MS[unit ?? ''] ?? NaN)
  return Number.isFinite(ms) ? Math.round(ms) : null
}

/** The shortest text that `parseDuration` reads back as `ms`. */
export function formatDuration (ms: number): string {
  if (ms === 0) return '0s'
  const parts: string[] = []
  let rest = ms
  for (const unit of ['h', 'm', 's', 'ms']) {
    const size = UNITS_MS[unit] ?? 1
    const count = Math.floor(rest / size)
    if (count > 0) parts.push(`${count}${unit}`)
    rest -= count * size
  }
  return parts.join('')
}
