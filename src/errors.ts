/**
 * The errors of everything above the protocol. `code` says what happened and is part of the interface; `retriable` is set
 * where the error is made, by whoever knows; everything else asks these two.
 */
import { errorName, isRetriableCode } from '../protocol/errors/codes.ts'
import { KafkaError, type KafkaErrorOptions } from '../protocol/errors/kafka-error.ts'

export { KafkaError }

export type ErrorCode =
  /** A configuration was refused: `details.key`, the value and what was expected are in the message. */
  | 'CONFIG_INVALID'
  /** The cluster does not tell what has to be known, and the configuration has to say it: `details.setting` names what. */
  | 'SETTING_NEEDED'
  /** No connection could be opened. Nothing was sent. */
  | 'CONNECT_FAILED'
  /** A connection ended while a request was under way: the request may or may not have been carried out. */
  | 'CONNECTION_CLOSED'
  /** No answer came in time: the request may or may not have been carried out. */
  | 'REQUEST_TIMEOUT'
  /** The other side does not speak an API, or none of the versions that are known here. */
  | 'VERSION_UNSUPPORTED'
  /** A broker answered with an error code. */
  | 'BROKER_ERROR'
  /** A schema registry refused, answered with something else than expected, or did not answer: `details.status`, `details.errorCode`. */
  | 'REGISTRY_ERROR'
  /** No broker of the cluster could be reached. */
  | 'CLUSTER_UNAVAILABLE'
  /** An AbortSignal ended the operation. */
  | 'ABORTED'
  /** A link, topic or other thing that was named does not exist. */
  | 'NOT_FOUND'
  /** What was asked for contradicts the present state: a name that is taken, a topic in the wrong state. */
  | 'CONFLICT'
  /** This process is not the one that leads the links; `details.leader` says who is, if known. */
  | 'NOT_LEADER'
  /** Something that cannot be, is. A defect of this program. */
  | 'INVARIANT'

export class ShadowError extends KafkaError<ErrorCode> {
  constructor (code: ErrorCode, message: string, options: KafkaErrorOptions = {}) {
    super(code, message, options)
  }
}

/** An error code that a broker answered with, by name. */
export class BrokerError extends ShadowError {
  readonly wireCode: number

  /** `what` says what was asked for, such as `CreateTopics orders`; `text` is what the broker said in words, if anything. */
  constructor (wireCode: number, what: string, text: string | null = null) {
    super('BROKER_ERROR', `${what}: ${errorName(wireCode)}${text === null || text === '' ? '' : ` (${text})`}`, {
      retriable: isRetriableCode(wireCode),
      details: { error: errorName(wireCode), wireCode }
    })
    this.wireCode = wireCode
  }
}

/** True for the wire code of a broker's answer. */
export function isBrokerError (error: unknown, wireCode: number): boolean {
  return error instanceof BrokerError && error.wireCode === wireCode
}

/** True when the same operation may succeed later without anybody changing anything. */
export function isRetriable (error: unknown): boolean {
  return error instanceof KafkaError && error.retriable
}

/** The text of anything that was thrown. */
export function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
