/** From YAML text to a checked value. Every refusal names key, line, value and what was expected. */
import { LineCounter, parseDocument, isMap, isNode, isPair, isSeq, type Document } from 'yaml'
import type { z } from 'zod'
import { ConfigError, type ConfigProblem } from './config-error.ts'

type Path = ReadonlyArray<string | number>

/**
 * Parses YAML and checks it against a schema.
 * @param source names the file, for messages
 * @throws {ConfigError} with every problem
 */
export function parseYaml<T> (text: string, source: string, schema: z.ZodType<T>): T {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    throw new ConfigError(source, document.errors.map(error => ({
      key: '', line: lines.linePos(error.pos[0]).line, value: null, expected: `not YAML: ${error.message}`
    })))
  }
  return parseValue(document.toJS(), source, schema, path => lineOf(document, lines, path))
}

/**
 * Checks a value that came from elsewhere, such as a request body or the state topic.
 * @throws {ConfigError} with every problem
 */
export function parseValue<T> (value: unknown, source: string, schema: z.ZodType<T>, lineAt: (path: Path) => number | null = () => null): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new ConfigError(source, result.error.issues.flatMap(issue => problemsOf(issue, value, lineAt)))
}

function problemsOf (issue: z.core.$ZodIssue, root: unknown, lineAt: (path: Path) => number | null): ConfigProblem[] {
  const path = issue.path.map(step => typeof step === 'symbol' ? String(step) : step)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({ key: keyText([...path, key]), line: lineAt([...path, key]), value: null, expected: 'unknown key' }))
  }
  return [{ key: keyText(path), line: lineAt(path), value: valueText(valueAt(root, path)), expected: issue.message }]
}

function keyText (path: Path): string {
  return path.map((step, index) => typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`).join('')
}

function valueAt (root: unknown, path: Path): unknown {
  let value = root
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return value
}

function valueText (value: unknown): string | null {
  if (value === undefined) return null
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

/** The line of the node at `path`, or of the nearest node above it that exists. */
function lineOf (document: Document, lines: LineCounter, path: Path): number | null {
  let node: unknown = document.contents
  let offset = isNode(node) ? node.range?.[0] : undefined
  for (const step of path) {
    let next: unknown
    if (isMap(node)) {
      const pair = node.items.find(item => isPair(item) && String(item.key) === String(step))
      if (pair !== undefined && isNode(pair.key)) offset = pair.key.range?.[0] ?? offset
      next = pair?.value
    } else if (isSeq(node)) {
      next = node.items[Number(step)]
      if (isNode(next)) offset = next.range?.[0] ?? offset
    }
    if (next === undefined) break
    node = next
  }
  return offset === undefined ? null : lines.linePos(offset).line
}
