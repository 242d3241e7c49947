/** An admin port over made-up parts, closed when the test ends. */
import type { Test } from 'tap'
import { pino } from 'pino'
import { AdminServer } from '../../src/admin/admin-server.ts'
import type { AdminParts, StateSource } from '../../src/admin/admin-parts.ts'
import { parseRunYaml, type RunConfig } from '../../src/config/run-config.ts'
import { LinkState } from '../../src/state/link-state.ts'
import type { FakeLinks } from './fake-links.ts'

export interface StartedAdmin {
  readonly server: AdminServer
  readonly url: string
  readonly parts: { -readonly [Part in keyof AdminParts]: AdminParts[Part] }
  /** What was logged, line by line. */
  readonly log: string[]
}

export function runConfig (more = ''): RunConfig {
  return parseRunYaml(`shadow_cluster: {bootstrap_servers: ["127.0.0.1:9092"]}\nadmin: {listen: "127.0.0.1:0"}\nsidecar: {enabled: false}\n${more}`, 'test')
}

export const freshState: StateSource = { state: new LinkState(), problem: null, ageMs: () => 10 }

export async function startAdmin (t: Test, links: FakeLinks | null, options: { readonly config?: RunConfig, readonly verifyQuietMs?: number, readonly clusterId?: string } = {}): Promise<StartedAdmin> {
  const log: string[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => { log.push(line) } })
  const { config = runConfig(), clusterId = 'shadow-cluster', ...rest } = options
  const parts = { links, engineProblem: null, sidecar: null, state: freshState, clusterId, draining: false }
  const server = await AdminServer.start({ config, parts, logger, ...rest })
  t.teardown(() => server.stop())
  return { server, url: `http://127.0.0.1:${server.address.port}`, parts, log }
}
