/** What a part of the bench found, and how it is written down. */
import { median } from './distribution.ts'

export interface Table {
  readonly columns: readonly string[]
  readonly rows: ReadonlyArray<readonly string[]>
}

/** Something that the project promises, and what was measured of it. */
export interface Target {
  readonly name: string
  readonly wanted: string
  readonly measured: string
  /** At least 1 where the target is met: how far it is exceeded or missed. */
  readonly ratio: number
}

export interface PartReport {
  readonly title: string
  /** What was measured and how, a sentence each. */
  readonly conditions: readonly string[]
  readonly tables: readonly Table[]
  readonly targets: readonly Target[]
}

/** A target that is met by as much as is measured, or more. */
export function atLeast (name: string, measured: number, wanted: number, unit: string): Target {
  return { name, wanted: `≥ ${number(wanted)}${unit}`, measured: `${number(measured)}${unit}`, ratio: measured / wanted }
}

/** A target that is met by as little as is measured, or less. A measured value below zero is met. */
export function atMost (name: string, measured: number, wanted: number, unit: string): Target {
  return { name, wanted: `≤ ${number(wanted)}${unit}`, measured: `${number(measured)}${unit}`, ratio: measured <= 0 ? Infinity : wanted / measured }
}

export function isMet ({ ratio }: Target): boolean {
  // Not a number is not met.
  return ratio >= 1
}

/** Three significant digits, and thousands set apart. */
export function number (value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** The median, and the lowest and the highest; nothing for what was not measured. */
export function spread (values: readonly number[], unit: string): string {
  if (values.some(Number.isNaN)) return ''
  return `${number(median(values))} ${unit} (${number(Math.min(...values))} to ${number(Math.max(...values))})`
}

export function partMarkdown ({ title, conditions, tables, targets }: PartReport): string {
  return [
    `## ${title}`,
    conditions.map(condition => `- ${condition}`).join('\n'),
    ...tables.map(tableMarkdown),
    ...(targets.length === 0 ? [] : [targetsMarkdown(targets)])
  ].join('\n\n')
}

export function targetsMarkdown (targets: readonly Target[]): string {
  return tableMarkdown({
    columns: ['Target', 'Wanted', 'Measured', 'Ratio', 'Result'],
    rows: targets.map(target => [target.name, target.wanted, target.measured, `${number(target.ratio)}×`, isMet(target) ? 'met' : '**not met**'])
  })
}

function tableMarkdown ({ columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(columns), line(columns.map((_, index) => index === 0 ? '---' : '---:')), ...rows.map(line)].join('\n')
}
