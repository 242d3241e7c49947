import type { VersionRange } from '../../protocol/schema/version-range.ts'

/** Every version of a range that has an end. */
export function versionsOf (range: VersionRange): number[] {
  return Array.from({ length: range.max - range.min + 1 }, (_, index) => range.min + index)
}
