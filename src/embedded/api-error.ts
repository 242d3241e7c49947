/** An error code and what it is about, as answers carry them. */
export interface ApiError {
  readonly errorCode: number
  readonly errorMessage: string
}

export function apiError (errorCode: number, errorMessage: string): ApiError {
  return { errorCode, errorMessage }
}

/** The two fields of an answer's row: an error, or none. */
export function errorFields (error: ApiError | null): { readonly errorCode: number, readonly errorMessage: string | null } {
  return error ?? { errorCode: 0, errorMessage: null }
}
