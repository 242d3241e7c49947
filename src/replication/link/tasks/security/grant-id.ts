import { createHash } from 'node:crypto'

/** What the ledger calls a thing: short, fit for a key, and the same for the same thing. */
export function grantId (type: 'acl' | 'quota' | 'user', ...parts: ReadonlyArray<string | number | null>): string {
  return `${type}-${createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 24)}`
}
