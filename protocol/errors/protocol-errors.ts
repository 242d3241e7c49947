import { KafkaError } from './kafka-error.ts'

/** Bytes that are not what the protocol says they are. The only error that decoding throws. */
export class DecodeError extends KafkaError<'DECODE_FAILED'> {
  constructor (message: string, options: { readonly offset?: number, readonly cause?: unknown } = {}) {
    super('DECODE_FAILED', message, {
      details: options.offset === undefined ? {} : { offset: options.offset },
      cause: options.cause
    })
  }
}

/** A value that the wire cannot carry: out of range, of the wrong kind, or absent from the chosen version. */
export class EncodeError extends KafkaError<'ENCODE_FAILED'> {
  constructor (message: string, options: { readonly cause?: unknown } = {}) {
    super('ENCODE_FAILED', message, options)
  }
}

/** A version of an API outside those that are declared. */
export class VersionError extends KafkaError<'VERSION_UNSUPPORTED'> {
  constructor (message: string) {
    super('VERSION_UNSUPPORTED', message)
  }
}

/** Compressed data that expands beyond what the reader allows: a decompression bomb, or a limit that is set too low. */
export class DecompressionLimitError extends KafkaError<'DECOMPRESSION_LIMIT'> {
  constructor (codec: string, maxBytes: number) {
    super('DECOMPRESSION_LIMIT', `${codec} data expands to more than ${maxBytes} bytes`, { details: { codec, maxBytes } })
  }
}
