import { readFileSync } from 'node:fs'
import { z } from 'zod'

const manifest = z.object({ name: z.literal('kafka-shadow'), version: z.string() })

/** The version of the package that this file belongs to, compiled or not. */
export function packageVersion (): string {
  for (let folder = new URL('./', import.meta.url); ; folder = new URL('../', folder)) {
    const found = manifest.safeParse(readJson(new URL('package.json', folder)))
    if (found.success) return found.data.version
    if (folder.pathname === '/' || new URL('../', folder).href === folder.href) return 'unknown'
  }
}

/** Undefined where there is no such file. */
function readJson (file: URL): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
