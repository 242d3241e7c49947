/** franz-go as a client: the Go program of test/go, which scripts/build-go.mjs builds. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Writer } from './client-writers.ts'
import { Program } from './program.ts'
import { PROJECT_ROOT } from './project-root.ts'

/** Why there is no franz-go, for a test's `skip`: `npm test` has said so, and lets nothing else be skipped. False where there is one. */
export const WITHOUT_FRANZ: string | false = process.env['KSHADOW_TEST_WITHOUT_GO'] ?? false

const FRANZ = join(PROJECT_ROOT, '.cache', 'go', 'franz')

/** @throws {Error} with what to run when it is not built */
export async function startFranz (args: readonly string[]): Promise<Program> {
  if (!existsSync(FRANZ)) throw new Error('there is no franz-go: run node scripts/build-go.mjs, which builds it or says what it needs')
  return await Program.start(FRANZ, args)
}

export interface FranzWriter extends Writer {
  /** For each record that was refused, how many milliseconds franz-go took to say so. */
  waits (): number[]
  /** How many connections it has made so far. */
  connections (): number
  isRunning (): boolean
}

export async function franzWriter ({ name, bootstrap, topic }: Pick<Writer, 'name' | 'topic'> & { readonly bootstrap: string }, kind: 'idempotent' | 'plain'): Promise<FranzWriter> {
  const program = await startFranz(['write', bootstrap, topic, kind])
  return {
    name,
    topic,
    refusal: /^failed POLICY_VIOLATION \d+ POLICY_VIOLATION: Request parameters do not satisfy the configured policy\.$/m,
    acknowledged: () => program.stdout.match(/^ok /gm)?.length ?? 0,
    refusals: () => program.output.split('\n').filter(line => !/^(ok|connected) /.test(line)).join('\n'),
    waits: () => [...program.stdout.matchAll(/^failed \S+ (\d+) /gm)].map(([, ms]) => Number(ms)),
    connections: () => program.stdout.match(/^connected /gm)?.length ?? 0,
    isRunning: () => program.isRunning,
    stop: () => program.kill()
  }
}
