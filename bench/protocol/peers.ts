/**
 * The codecs of kafkajs and @platformatic/kafka, from the files that their clients use themselves. Neither package exports
 * them, so they have no types here: what is taken is checked to be a function, and what it returns to be what the sample holds.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PROJECT_ROOT } from '../../test/support/project-root.ts'

export type UntypedFunction = (...args: readonly unknown[]) => unknown

const require = createRequire(join(PROJECT_ROOT, 'package.json'))
const KAFKAJS_FOLDER = dirname(require.resolve('kafkajs/package.json'))
const PLATFORMATIC_FOLDER = join(PROJECT_ROOT, 'node_modules', '@platformatic', 'kafka')

/** What a file of kafkajs exports. */
export function kafkajs (path: string): unknown {
  const exported: unknown = require(join(KAFKAJS_FOLDER, 'src', path))
  return exported
}

/** What a file of @platformatic/kafka exports. */
export async function platformatic (path: string): Promise<unknown> {
  const exported: unknown = await import(pathToFileURL(join(PLATFORMATIC_FOLDER, 'dist', path)).href)
  return exported
}

export function versionOf (name: 'kafkajs' | '@platformatic/kafka'): string {
  const manifest: unknown = require(join(name === 'kafkajs' ? KAFKAJS_FOLDER : PLATFORMATIC_FOLDER, 'package.json'))
  return String(member(manifest, 'version'))
}

/** @throws {Error} when there is no such member: the package has changed */
export function member (value: unknown, ...path: ReadonlyArray<string | number>): unknown {
  let inner = value
  for (const name of path) {
    if ((typeof inner !== 'object' && typeof inner !== 'function') || inner === null || !(name in inner)) throw new Error(`no ${path.join('.')} in a package that is measured: it has changed`)
    inner = Reflect.get(inner, name)
  }
  return inner
}

/** A member that is a function, bound to what it was found in. */
export function method (value: unknown, ...path: ReadonlyArray<string | number>): UntypedFunction {
  const found = member(value, ...path)
  const owner = member(value, ...path.slice(0, -1))
  if (typeof found !== 'function') throw new Error(`${path.join('.')} of a package that is measured is no function: it has changed`)
  return (...args) => {
    const result: unknown = Reflect.apply(found, owner, args)
    return result
  }
}

/** How many elements an array has that lies somewhere in `value`. */
export function lengthOf (value: unknown, ...path: ReadonlyArray<string | number>): number {
  const found = member(value, ...path)
  if (!Array.isArray(found)) throw new Error(`${path.join('.')} of a package that is measured is no array: it has changed`)
  return found.length
}
