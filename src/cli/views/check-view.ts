/** The lines of a preflight: what was looked at, how it is, what was found, and below that what to do. */
import type { PreflightLine } from '../../replication/link-service.ts'
import { printable } from './printable.ts'
import { formatTable } from './table.ts'

const VERDICTS: Readonly<Record<PreflightLine['verdict'], string>> = { ok: 'ok', warning: 'warning', failed: 'FAILED' }

export function checkJson (lines: readonly PreflightLine[]): Array<Record<string, unknown>> {
  return lines.map(({ name, verdict, text, advice }) => ({ check: name, verdict, found: text, advice }))
}

export function checkText (lines: readonly PreflightLine[]): string {
  const rows = formatTable([['CHECK', 'VERDICT', 'FOUND'], ...lines.map(({ name, verdict, text }) => [name, VERDICTS[verdict], text])]).split('\n')
  const [header = '', ...found] = rows
  const indent = ' '.repeat(header.indexOf('FOUND'))
  const body = lines.map(({ advice }, index) => `${found[index] ?? ''}\n${advice === null ? '' : `${indent}to do: ${printable(advice)}\n`}`)
  return `${header}\n${body.join('')}\n${summary(lines)}\n`
}

function summary (lines: readonly PreflightLine[]): string {
  const count = (wanted: PreflightLine['verdict']): number => lines.filter(({ verdict }) => verdict === wanted).length
  const failures = count('failed')
  return `${failures === 0 ? 'The link can be created' : 'The link cannot be created'}: ${count('ok')} ok, ${count('warning')} to know of, ${failures} failed.`
}
