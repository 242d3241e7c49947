import { renameSync, writeFileSync } from 'node:fs'

/** Writes a file so that a reader, or the next start, finds the old content or the new and never half of it. */
export function writeFileAtomic (path: string, content: string): void {
  const temporary = `${path}.tmp`
  writeFileSync(temporary, content)
  renameSync(temporary, path)
}
