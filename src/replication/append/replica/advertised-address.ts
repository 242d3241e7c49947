/**
 * Whether the address that followers are told leads to this engine, as far as that can be seen from here. While the shadow leader
 * does not listen, its place is taken for a moment by a listener that says nothing.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import type { ShadowLeaderConfig } from '../../../config/run-config.ts'
import { messageOf } from '../../../errors.ts'
import { dialTcp } from '../../../net/dial.ts'
import { formatHostPort } from '../../../net/host-port.ts'
import type { PreflightLine } from '../../link-service.ts'
import type { ShadowLeader } from './shadow-leader.ts'

const NAME = 'advertised address'
const DIAL_MS = 2000

export async function advertisedLine (leader: Pick<ShadowLeader, 'isListening'>, { listen, advertised }: Pick<ShadowLeaderConfig, 'listen' | 'advertised'>): Promise<PreflightLine> {
  let standIn: Server | null = null
  if (!leader.isListening) {
    const server = createServer(socket => { socket.destroy() })
    try {
      server.listen({ host: listen.host, port: listen.port })
      await once(server, 'listening')
      standIn = server
    } catch (error) {
      server.close()
      return { name: NAME, verdict: 'failed', text: `nothing can listen at ${formatHostPort(listen)}: ${messageOf(error)}`, advice: 'give shadow_leader.listen an address of this machine, and a port that nobody else has' }
    }
  }
  try {
    const socket = await dialTcp(advertised, { timeoutMs: DIAL_MS })
    socket.destroy()
    return { name: NAME, verdict: 'ok', text: `${formatHostPort(advertised)} can be reached from this host; whether it can from the shadow brokers, only they know`, advice: null }
  } catch (error) {
    return {
      name: NAME,
      verdict: 'warning',
      text: `this host does not reach itself at ${formatHostPort(advertised)}: ${messageOf(error)}`,
      advice: 'make sure that the shadow brokers can: they fetch from there. If they cannot, correct shadow_leader.advertised, or let it through the firewall'
    }
  } finally {
    standIn?.close()
  }
}
