/** Inclusive range of broker ids. */
export interface NodeIdRange {
  readonly first: number
  readonly last: number
}

/** Reads `0-15` or `1-3, 100`; null for anything else, or for ranges that overlap. */
export function parseNodeIds (text: string): NodeIdRange[] | null {
  const ranges: NodeIdRange[] = []
  for (const part of text.split(',')) {
    const match = /^\s*(\d{1,10})(?:\s*-\s*(\d{1,10}))?\s*$/.exec(part)
    if (match === null) return null
    const first = Number(match[1])
    const last = match[2] === undefined ? first : Number(match[2])
    if (last < first || last >= 2 ** 31) return null
    if (ranges.some(range => first <= range.last && last >= range.first)) return null
    ranges.push({ first, last })
  }
  return ranges
}

/** How many ids the ranges hold. */
export function countNodeIds (ranges: readonly NodeIdRange[]): number {
  return ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0)
}

/** The place of an id in the ranges, from 0, in the order they were given; null for an id outside. */
export function nodeIdIndex (ranges: readonly NodeIdRange[], id: number): number | null {
  let before = 0
  for (const range of ranges) {
    if (id >= range.first && id <= range.last) return before + id - range.first
    before += range.last - range.first + 1
  }
  return null
}

/** All ids of the ranges, in order. */
export function * nodeIds (ranges: readonly NodeIdRange[]): Generator<number> {
  for (const range of ranges) for (let id = range.first; id <= range.last; id++) yield id
}
