/** Who gave an order, as far as a request tells. */
import type { FastifyRequest } from 'fastify'
import type { Operator } from '../state/audit-record.ts'

/** What `kshadow` says of who runs it, percent-encoded. */
export const USER_HEADER = 'x-kshadow-user'

const MOST_CHARACTERS = 200

export function operatorOf ({ headers, ip }: Pick<FastifyRequest, 'headers' | 'ip'>): Operator {
  const user = headers[USER_HEADER]
  return { user: typeof user === 'string' ? cut(decoded(user)) : null, address: ip, userAgent: headers['user-agent'] === undefined ? null : cut(headers['user-agent']) }
}

function decoded (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function cut (text: string): string {
  return text.slice(0, MOST_CHARACTERS)
}
