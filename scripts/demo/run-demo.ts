/** Sets the stage, has one of the demo's stories told there, and leaves nothing behind. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tellLostSite } from './lost-site.ts'
import { tellPair } from './pair.ts'
import { Stage, type DemoOptions } from './stage.ts'

/** Runs the story. Returns the exit code: 0 if everything went as it should. */
export async function runDemo (options: DemoOptions & { readonly pair: boolean }): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'kshadow-demo-'))
  const stage = new Stage(options, directory)
  const interrupted = new AbortController()
  const onSignal = (): void => { interrupted.abort() }
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  try {
    const toTry = await (options.pair ? tellPair(stage) : tellLostSite(stage))
    if (options.stay) {
      stage.tell.title('Everything is left running.')
      await stage.stay(toTry, interrupted.signal)
    }
    return 0
  } catch (error) {
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`)
    stage.explain()
    return 1
  } finally {
    await stage.stop()
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    rmSync(directory, { recursive: true, force: true })
  }
}
