/** From YAML text to a checked value. Every refusal names key, line, value (never a secret) and what was expected. */
import { LineCounter, parseDocument, isMap, isNode, isPair, isSeq, type Document, type YAMLError } from 'yaml'
import type { z } from 'zod'
import { messageOf } from '../errors.ts'
import { ConfigError, type ConfigProblem } from './config-error.ts'

type Path = ReadonlyArray<string | number>

const MAX_TEXT_LENGTH = 1024 * 1024

/** How often aliases may be expanded, nested ones multiplied: a few lines of YAML could else become gigabytes. */
const MAX_ALIASES = 100

/** Values of these keys, and of what is below them, are not repeated in messages. */
const SECRET_KEY = /password|secret|token|credential|^key$|_key$|^basic$|^auth_options$|^tls_pem_settings$/i

/**
 * Parses YAML and checks it against a schema.
 * @param source names the file, for messages
 * @throws {ConfigError} with every problem
 */
export function parseYaml<T> (text: string, source: string, schema: z.ZodType<T>): T {
  const lines = new LineCounter()
  if (text.length > MAX_TEXT_LENGTH) throw refusal(source, `expected at most ${MAX_TEXT_LENGTH} characters, found ${text.length}`)
  const document = guarded(source, () => parseDocument(text, { lineCounter: lines, prettyErrors: false }))
  // A tag that is not known is a warning to the library: the value would be something else than what was meant.
  const problems = [...document.errors, ...document.warnings]
  if (problems.length > 0) throw new ConfigError(source, problems.map(error => yamlProblem(error, text, lines)))
  const value = guarded(source, (): unknown => document.toJS({ maxAliasCount: MAX_ALIASES }))
  return parseValue(value, source, schema, path => lineOf(document, lines, path))
}

/** What the library throws by itself: too many aliases, one that points nowhere, nesting that exhausts the stack. */
function guarded<T> (source: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw refusal(source, `not YAML that can be read: ${withoutQuotes(messageOf(error))}`)
  }
}

function refusal (source: string, expected: string): ConfigError {
  return new ConfigError(source, [{ key: '', line: null, value: null, expected }])
}

/** What the library says, without what it quotes: a password that is not in quotes may begin with a character that YAML gives a meaning. */
function withoutQuotes (message: string): string {
  return message.replace(/(?::| [%\\!*&|]).*$/s, '')
}

function yamlProblem (error: YAMLError, text: string, lines: LineCounter): ConfigProblem {
  const line = lines.linePos(error.pos[0]).line
  if (error.code !== 'DUPLICATE_KEY') return { key: '', line, value: null, expected: `not YAML: ${withoutQuotes(error.message)}` }
  const key = /^[\w.-]+/.exec(text.slice(error.pos[0]))?.[0] ?? ''
  return { key, line, value: null, expected: 'this key is there twice; expected it once' }
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
    // Where a secret may be, an unknown key may be one: "password:hunter2", without a space, is a key.
    const mayBeSecret = path.some(step => SECRET_KEY.test(String(step)))
    return issue.keys.map(key => ({ key: keyText([...path, mayBeSecret ? '(a key)' : key]), line: lineAt([...path, key]), value: null, expected: 'unknown key' }))
  }
  return [{ key: keyText(path), line: lineAt(path), value: valueText(path, valueAt(root, path)), expected: issue.message }]
}

function keyText (path: Path): string {
  return path.map((step, index) => typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`).join('')
}

function valueAt (root: unknown, path: Path): unknown {
  let value = root
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = Object.getOwnPropertyDescriptor(value, step)?.value
  }
  return value
}

/** Maps and lists are named, not shown: there may be a password in them. */
function valueText (path: Path, value: unknown): string | null {
  if (value === undefined) return null
  if (path.some(step => SECRET_KEY.test(String(step)))) return '<redacted>'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a map'
  // A URL may have been given with a user, or with a token as a query.
  const text = JSON.stringify(value).replace(/\/\/[^/@\s]*@/g, '//<redacted>@').replace(/(:\/\/[^?\s]*)\?.*/s, '$1?<redacted>"')
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
