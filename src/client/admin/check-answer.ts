import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { BrokerError } from '../../errors.ts'

/**
 * Checks the row of an answer that has one for what was asked.
 * @throws {BrokerError} for an error code, and for an answer without the row
 */
export function checkAnswer (row: { readonly errorCode: number, readonly errorMessage?: string | null } | undefined, what: string): void {
  if (row === undefined) throw new BrokerError(ErrorCodes.UNKNOWN_SERVER_ERROR, what, 'the answer has no row for it')
  if (row.errorCode !== ErrorCodes.NONE) throw new BrokerError(row.errorCode, what, row.errorMessage ?? null)
}
