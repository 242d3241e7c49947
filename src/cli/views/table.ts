/** Text in columns, as `rpk` shows it (facts/redpanda-contract.md §9.3). */
import { printable } from './printable.ts'

const GAP = '  '

/** Rows as columns as wide as their widest cell; the first row is usually the header. Every line ends with a newline. */
export function formatTable (rows: ReadonlyArray<readonly string[]>, { indent = '' }: { readonly indent?: string } = {}): string {
  const cells = rows.map(row => row.map(cell => printable(cell)))
  const widths: number[] = []
  for (const row of cells) row.forEach((cell, column) => { widths[column] = Math.max(widths[column] ?? 0, cell.length) })
  return cells.map(row => `${indent}${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(GAP)}`.trimEnd() + '\n').join('')
}

/** A heading in upper case, underlined, and what stands below it. */
export function formatSection (title: string, body: string): string {
  return `${title.toUpperCase()}\n${'='.repeat(title.length)}\n${body}`
}
