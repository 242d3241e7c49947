/** How a row is marked that a broker gave no answer for. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { BrokerError, ShadowError } from '../../errors.ts'

export interface RowOutcome {
  /** 0: all is well. */
  readonly errorCode: number
  /** Set where the code is not a broker's: the connection failed, or the answer left the row out. */
  readonly error: Error | null
}

/**
 * The outcome of a row whose request failed. The code is the one that Kafka's own clients use for it: NETWORK_EXCEPTION
 * (retriable) where the broker could not be asked or did not answer.
 */
export function failedRow (error: Error): RowOutcome {
  if (error instanceof BrokerError) return { errorCode: error.wireCode, error }
  if (error instanceof ShadowError && error.retriable) return { errorCode: ErrorCodes.NETWORK_EXCEPTION, error }
  const isVersion = error instanceof ShadowError && error.code === 'VERSION_UNSUPPORTED'
  return { errorCode: isVersion ? ErrorCodes.UNSUPPORTED_VERSION : ErrorCodes.UNKNOWN_SERVER_ERROR, error }
}
