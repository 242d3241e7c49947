import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Where package.json lies; this file is run from `test/` and, compiled, from `dist/test/`. */
export const PROJECT_ROOT = rootAbove(import.meta.dirname)

function rootAbove (folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  if (dirname(folder) === folder) throw new Error('no package.json above the tests')
  return rootAbove(dirname(folder))
}
