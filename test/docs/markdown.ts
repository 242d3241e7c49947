/** What the documentation is made of, read from its files. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT_ROOT } from '../support/project-root.ts'

export interface Fence {
  /** Where it is, for messages: file and line. */
  readonly where: string
  /** What follows the opening backticks. */
  readonly info: string
  readonly text: string
}

export interface Page {
  /** From the root of the project. */
  readonly path: string
  readonly text: string
  readonly fences: readonly Fence[]
}

export function readPages (): Page[] {
  const guides = readdirSync(join(PROJECT_ROOT, 'docs')).filter(name => name.endsWith('.md')).sort().map(name => `docs/${name}`)
  return ['README.md', ...guides].map(path => {
    const text = readFileSync(join(PROJECT_ROOT, path), 'utf8')
    return { path, text, fences: fencesOf(path, text) }
  })
}

function fencesOf (path: string, text: string): Fence[] {
  const fences: Fence[] = []
  let open: { readonly line: number, readonly info: string, readonly lines: string[] } | null = null
  text.split('\n').forEach((line, index) => {
    if (!line.startsWith('```')) {
      open?.lines.push(line)
    } else if (open === null) {
      open = { line: index + 1, info: line.slice(3).trim(), lines: [] }
    } else {
      fences.push({ where: `${path}:${open.line}`, info: open.info, text: `${open.lines.join('\n')}\n` })
      open = null
    }
  })
  return fences
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf ({ text }: Page): Set<string> {
  return new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-')))
}

/** The targets of a page's links to other files or headings of the project. */
export function localLinksOf ({ text }: Page): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target).filter(target => !/^https?:/.test(target))
}
