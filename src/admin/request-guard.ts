/**
 * Keeps web pages away from the admin port. It has no authentication, so any page that is open in a browser on this machine
 * could else use it: by a form or fetch across origins, or by a name of its own that it lets point here (DNS rebinding).
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import type { AdminConfig } from '../config/run-config.ts'

/** The id of the shadow cluster whose links a request is about, from who was sent here by another engine of that cluster. */
export const CLUSTER_HEADER = 'x-kshadow-cluster'

/** Why a request that was sent here is not for this engine, in words; null where it is, or does not say. */
export function misdirection (headers: IncomingHttpHeaders, clusterId: string | null): string | null {
  const wanted = headers[CLUSTER_HEADER]
  if (wanted === undefined || wanted === clusterId) return null
  return `this is the kshadow of shadow cluster ${clusterId ?? '(not known yet)'}, and the command is for that of ${JSON.stringify(wanted)}: nothing was done. The engine that leads there is reached at another address: give it with --admin`
}

/** Why a request is refused, in words; null where it is not. */
export function refusalOf (request: { readonly method: string, readonly headers: IncomingHttpHeaders }, config: AdminConfig): string | null {
  const { host, origin } = request.headers
  const name = host === undefined ? null : hostName(host)
  if (name === null) return 'the request has no Host header that can be read'
  if (!isOwnName(name, config)) return `the Host header names ${JSON.stringify(name)}, which is not a name of this admin port; expected an address, localhost, or the host of admin.advertised`
  if (origin !== undefined && origin !== `http://${host ?? ''}`) return 'the request comes from the page of another site'
  const site = request.headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return 'the request comes from the page of another site'
  return null
}

/** A browser sends other types across origins only after it has asked, which is never allowed here. */
export function isJson (headers: IncomingHttpHeaders): boolean {
  return /^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')
}

function hostName (host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::\d{1,5})?$/i.exec(host)
  return match === null ? null : (match[1] ?? match[2] ?? '').toLowerCase()
}

/** Addresses are fine whichever they are: rebinding needs a name. */
function isOwnName (name: string, config: AdminConfig): boolean {
  return isIP(name) !== 0 || name === 'localhost' || name === config.advertised.host.toLowerCase() || name === config.listen.host.toLowerCase()
}
