import type { Test } from 'tap'
import { z } from 'zod'
import type { LinkStatus } from '../../src/replication/link-service.ts'
import { FakeLinks } from '../admin/fake-links.ts'
import { startAdmin, type StartedAdmin } from '../admin/start-admin.ts'
import { runCommand, type CommandOptions, type Outcome } from './run-command.ts'

export interface Kshadow {
  readonly links: FakeLinks
  readonly parts: StartedAdmin['parts']
  readonly address: string
  readonly run: (line: string, options?: CommandOptions) => Promise<Outcome>
}

/** A kshadow with these links, and a way to run commands at it. */
export async function kshadow (t: Test, ...statuses: LinkStatus[]): Promise<Kshadow> {
  const links = new FakeLinks(...statuses)
  const { server, parts } = await startAdmin(t, links)
  const address = `127.0.0.1:${server.address.port}`
  return { links, parts, address, run: (line, options) => runCommand([...line.split(' '), '--admin', address], options) }
}

/** The keys of a JSON object. */
export function keysOf (json: string): string[] {
  return Object.keys(z.record(z.string(), z.unknown()).parse(JSON.parse(json)))
}
