import type { Fields, InputOf, ValueOf } from './field.ts'
import { parseVersionRange, type VersionRange, type VersionText } from './version-range.ts'

/** Which broker a request must go to. */
export type Target = 'any' | 'leader' | 'controller' | 'groupCoordinator' | 'transactionCoordinator'

/** One half of an API: the request or the response, all versions. */
export interface Message<F extends Fields = Fields> {
  /** Kafka's name, such as `MetadataResponse`. */
  readonly name: string
  readonly versions: VersionRange
  /** Versions with compact lengths and tagged fields (KIP-482). */
  readonly flexible: VersionRange
  readonly fields: F
}

export interface Api<Q extends Fields = Fields, S extends Fields = Fields> {
  readonly key: number
  readonly name: string
  readonly versions: VersionRange
  readonly target: Target
  readonly request: Message<Q>
  readonly response: Message<S>
}

/** What a request decodes to, and what it is encoded from. */
export type RequestOf<A extends Api> = ValueOf<A['request']['fields']>
export type RequestInput<A extends Api> = InputOf<A['request']['fields']>
/** What a response decodes to, and what it is encoded from. */
export type ResponseOf<A extends Api> = ValueOf<A['response']['fields']>
export type ResponseInput<A extends Api> = InputOf<A['response']['fields']>

/** Declares an API: key, names and version ranges as in Kafka's specifications. */
export function api<const Q extends Fields, const S extends Fields> (declaration: {
  readonly key: number
  readonly name: string
  readonly versions: VersionText
  readonly flexible: VersionText
  readonly target?: Target
  readonly request: Q
  readonly response: S
}): Api<Q, S> {
  const versions = parseVersionRange(declaration.versions)
  const flexible = parseVersionRange(declaration.flexible)
  return {
    key: declaration.key,
    name: declaration.name,
    versions,
    target: declaration.target ?? 'any',
    request: { name: `${declaration.name}Request`, versions, flexible, fields: declaration.request },
    response: { name: `${declaration.name}Response`, versions, flexible, fields: declaration.response }
  }
}
