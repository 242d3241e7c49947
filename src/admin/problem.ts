/** What the admin port answers where something was refused or failed: problem documents (RFC 9457), with the code of the error. */
import { z } from 'zod'
import { ConfigError, type ConfigProblem } from '../config/config-error.ts'
import { KafkaError, ShadowError, type ErrorCode } from '../errors.ts'

export type ProblemCode =
  | ErrorCode
  /** The request itself is wrong: not JSON, an unknown parameter, too large. */
  | 'REQUEST_INVALID'
  /** The request came from where none is wanted: the page of another site. */
  | 'REQUEST_REFUSED'
  /** A defect. What it was is in the log of the process, and nowhere else. */
  | 'INTERNAL'

export interface Problem {
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  /** With CONFIG_INVALID: everything that is wrong with the configuration. */
  readonly problems?: readonly ConfigProblem[]
  /** With NOT_LEADER: the admin address of the engine that leads the links; null where nobody knows. */
  readonly leader?: string | null
  /** With NOT_LEADER: the id of the shadow cluster whose links that one leads; null where it is not known. */
  readonly cluster?: string | null
}

export const PROBLEM_TYPE = 'application/problem+json'

const STATUS: Readonly<Record<ProblemCode, { readonly status: number, readonly title: string }>> = {
  CONFIG_INVALID: { status: 400, title: 'The configuration is not valid' },
  REQUEST_INVALID: { status: 400, title: 'The request is not valid' },
  REQUEST_REFUSED: { status: 403, title: 'The request was refused' },
  NOT_FOUND: { status: 404, title: 'Not found' },
  CONFLICT: { status: 409, title: 'In conflict with the present state' },
  SETTING_NEEDED: { status: 409, title: 'A setting is needed' },
  NOT_LEADER: { status: 421, title: 'Another engine leads the links' },
  INVARIANT: { status: 500, title: 'Internal error' },
  INTERNAL: { status: 500, title: 'Internal error' },
  BROKER_ERROR: { status: 502, title: 'A broker refused' },
  REGISTRY_ERROR: { status: 502, title: 'A schema registry refused, or did not answer' },
  CONNECT_FAILED: { status: 502, title: 'No connection' },
  CONNECTION_CLOSED: { status: 502, title: 'The connection ended' },
  VERSION_UNSUPPORTED: { status: 502, title: 'A broker speaks another version' },
  ABORTED: { status: 503, title: 'Given up' },
  CLUSTER_UNAVAILABLE: { status: 503, title: 'A cluster cannot be reached' },
  REQUEST_TIMEOUT: { status: 504, title: 'No answer in time' }
}

export const problemSchema: z.ZodType<Problem> = z.object({
  title: z.string(),
  status: z.number(),
  code: z.string(),
  detail: z.string(),
  problems: z.array(z.object({
    key: z.string(), line: z.number().nullable(), value: z.string().nullable(), expected: z.string()
  })).exactOptional(),
  leader: z.string().nullable().exactOptional(),
  // A kshadow of before says no such thing.
  cluster: z.string().nullable().exactOptional()
})

/** A problem by its code; `status` where another one than the code's says it better, such as 413. */
export function problem (code: ProblemCode, detail: string, status: number = STATUS[code].status): Problem {
  return { title: STATUS[code].title, status, code, detail }
}

/** True for errors whose message is for whoever asked; of all others only the log learns more. */
export function isMeantForClients (error: unknown): error is KafkaError {
  return (error instanceof ShadowError && error.code !== 'INVARIANT') || (error instanceof KafkaError && !(error instanceof ShadowError))
}

/**
 * The problem document of an error. `requestId` is how to find it in the log.
 * `leader` is the admin address to name with NOT_LEADER where the error names none, `cluster` the shadow cluster's id.
 */
export function problemOf (error: unknown, options: { readonly requestId: string, readonly leader: string | null, readonly cluster: string | null }): Problem {
  if (error instanceof ConfigError) return { ...problem('CONFIG_INVALID', error.message), problems: error.problems }
  if (error instanceof ShadowError && error.code === 'NOT_LEADER') {
    const leader = error.details['leader']
    return { ...problem('NOT_LEADER', error.message), leader: typeof leader === 'string' ? leader : options.leader, cluster: options.cluster }
  }
  if (error instanceof ShadowError && isMeantForClients(error)) return problem(error.code, error.message)
  // What the protocol layer threw: a peer that sends what cannot be read.
  if (isMeantForClients(error)) return { ...problem('BROKER_ERROR', error.message), code: error.code }
  return problem('INTERNAL', `an unexpected error; the log of this process says more under request ${options.requestId}`)
}
