/** Versions in Kafka's own notation: `3+`, `2-5`, `4` or `none`. */
export type VersionText = `${number}+` | `${number}-${number}` | `${number}` | 'none'

/** Both ends belong to the range; an empty range has `max < min`. */
export interface VersionRange {
  readonly min: number
  readonly max: number
}

const NONE: VersionRange = { min: 0, max: -1 }

/** @throws {TypeError} for a text that is not in Kafka's notation: a mistake in a declaration. */
export function parseVersionRange (text: VersionText): VersionRange {
  if (text === 'none') return NONE
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text)
  if (match === null) throw new TypeError(`not a version range: ${text}`)
  const min = Number(match[1])
  if (match[2] !== undefined) return { min, max: Infinity }
  return { min, max: match[3] === undefined ? min : Number(match[3]) }
}

export function includesVersion (range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max
}
