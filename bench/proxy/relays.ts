/** What stands between client and broker, each a process of its own. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { formatHostPort, type HostPort } from '../../src/net/host-port.ts'
import { takePorts } from '../../test/support/port-block.ts'
import { Workspace } from '../../test/support/workspace.ts'
import { BROKER_ID } from '../brokers.ts'

const DIST = join(import.meta.dirname, '..', '..')

export interface Relay {
  readonly address: HostPort
  readonly pid: number
  stop (): Promise<void>
}

export async function startPipe (broker: HostPort): Promise<Relay> {
  const workspace = Workspace.create('bench-pipe')
  try {
    const child = await workspace.spawn(process.execPath, [join(DIST, 'bench', 'proxy', 'pipe-relay.js'), broker.host, String(broker.port)], { stdio: ['pipe', 'pipe', 'inherit'] })
    if (child.stdout === null || child.pid === undefined) throw new Error('the relay has no stdout')
    const port = await Promise.race([
      once(child.stdout, 'data').then(([chunk]: unknown[]) => Number(String(chunk))),
      once(child, 'exit').then(() => NaN)
    ])
    if (Number.isNaN(port)) throw new Error('the relay did not start')
    return { address: { host: '127.0.0.1', port }, pid: child.pid, stop: async () => { await workspace.remove() } }
  } catch (error) {
    await workspace.remove()
    throw error
  }
}

/** `kshadow run` with engine and sidecar, as it is when nobody configures it, but for the ports. Its address is that of the broker. */
export async function startSidecar (broker: HostPort): Promise<Relay> {
  const ports = await takePorts(2)
  const workspace = Workspace.create('bench-sidecar')
  const stop = async (): Promise<void> => {
    await workspace.remove()
    ports.release()
  }
  try {
    const [bootstrapPort = NaN, nodePort = NaN] = ports.ports
    writeFileSync(join(workspace.path, 'run.yaml'), stringify({
      shadow_cluster: { bootstrap_servers: [formatHostPort(broker)] },
      sidecar: { bootstrap_port: bootstrapPort, node_ids: String(BROKER_ID) },
      admin: { enabled: false },
      log_level: 'error'
    }))
    const child = await workspace.spawn(process.execPath, [join(DIST, 'src', 'cli', 'main.js'), 'run', '-c', 'run.yaml'], { stdio: ['ignore', 'ignore', 'inherit'] })
    if (child.pid === undefined) throw new Error('the sidecar did not start')
    return { address: { host: ports.host, port: nodePort }, pid: child.pid, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
