import { ShadowError } from '../errors.ts'

/** One thing that is wrong in a configuration. */
export interface ConfigProblem {
  /** Where, such as `client_options.bootstrap_servers[0]`; empty for the document as a whole. */
  readonly key: string
  /** Line in the file, from 1, if known. */
  readonly line: number | null
  /** What is there, as text; null where nothing is. */
  readonly value: string | null
  /** What was expected, or why it was refused. */
  readonly expected: string
}

/** A configuration that was refused, with every problem found in it. */
export class ConfigError extends ShadowError {
  readonly problems: readonly ConfigProblem[]

  /** `source` names the file or request that the configuration came from. */
  constructor (source: string, problems: readonly ConfigProblem[]) {
    super('CONFIG_INVALID', problems.map(problem => `${source}${formatProblem(problem)}`).join('\n'), {
      details: { source, key: problems[0]?.key ?? '' }
    })
    this.problems = problems
  }
}

function formatProblem ({ key, line, value, expected }: ConfigProblem): string {
  const where = `${line === null ? '' : `:${line}`}: ${key === '' ? '' : `${key}: `}`
  return `${where}${value === null ? '' : `${value}: `}${expected}`
}
