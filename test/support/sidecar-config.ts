import type { SidecarConfig } from '../../src/config/run-config.ts'

/** A sidecar on free ports of this machine, for the nodes from `first` to `last`. */
export function sidecarConfig (first: number, last: number): SidecarConfig {
  return {
    enabled: true,
    listenHost: '127.0.0.1',
    advertisedHost: '127.0.0.1',
    bootstrapPort: 0,
    nodeIds: [{ first, last }],
    maxFrameBytes: 100 * 1024 * 1024,
    staleAfterMs: 15_000,
    drainTimeoutMs: 1000
  }
}
