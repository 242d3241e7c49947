/** Lets somebody edit a text in the editor of their choice. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../errors.ts'
import type { Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

const FALLBACK = 'vi'

export interface Edited {
  readonly text: string
  /** Where it is, until `remove` is called: what somebody typed is not to be lost because something is wrong with it. */
  readonly path: string
  readonly remove: () => Promise<void>
}

/**
 * Has a text edited in $VISUAL or $EDITOR, as a file of this name that nobody else can read.
 * @throws {UsageError} where there is no editor, or it did not end well
 */
export async function editText (text: string, name: string, { env, isInTty, lend }: Terminal): Promise<Edited> {
  const editor = [env['VISUAL'], env['EDITOR']].find(command => command !== undefined && command !== '')
  if (editor === undefined && !isInTty) throw new UsageError('there is no terminal to edit at, and neither VISUAL nor EDITOR is set: give the whole document with -c FILE')
  const directory = await mkdtemp(join(tmpdir(), 'kshadow-'))
  const path = join(directory, name)
  const remove = async (): Promise<void> => { await rm(directory, { recursive: true, force: true }) }
  try {
    await writeFile(path, text, { mode: 0o600 })
    await lend(() => run(editor ?? FALLBACK, path))
    return { text: await readFile(path, 'utf8'), path, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** By a shell, as git does it: the command may have arguments. */
async function run (editor: string, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' })
    child.once('error', error => reject(new UsageError(`the editor ${editor} cannot be started: ${messageOf(error)}`)))
    child.once('exit', (code, signal) => {
      if (code === 0) resolve()
      else reject(new UsageError(`the editor ${editor} ended with ${signal ?? `exit code ${code ?? ''}`}: nothing was changed`))
    })
  })
}
