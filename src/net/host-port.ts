/** The address of a broker or listener. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Reads `host:port` or `[v6]:port`; null for anything else. */
export function parseHostPort (text: string): HostPort | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text)
  if (match === null) return null
  const port = Number(match[3])
  return port >= 1 && port <= 65535 ? { host: match[1] ?? match[2] ?? '', port } : null
}

export function formatHostPort ({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
