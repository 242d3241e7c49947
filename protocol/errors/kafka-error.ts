/**
 * The base of every error that this project throws on purpose. `details` holds scalars only, so that an error logs as one
 * flat line and can leak neither a buffer nor a secret.
 */
export interface KafkaErrorOptions {
  /** True when the same operation may succeed later without anybody changing anything. */
  readonly retriable?: boolean
  readonly details?: Readonly<Record<string, ErrorDetail>>
  readonly cause?: unknown
}

export type ErrorDetail = string | number | boolean | null

export class KafkaError<Code extends string = string> extends Error {
  readonly code: Code
  readonly retriable: boolean
  readonly details: Readonly<Record<string, ErrorDetail>>

  constructor (code: Code, message: string, options: KafkaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.retriable = options.retriable ?? false
    this.details = options.details ?? {}
  }
}
