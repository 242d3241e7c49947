/** A request that is made here and asked of the client's broker, on the client's connection and in its name. */
import { decodeResponse, encodeRequest, type RequestHeader, type ResponseHeader } from '../../protocol/header.ts'
import type { Api, RequestInput, ResponseOf } from '../../protocol/schema/api.ts'

/** It need not be of the API that the client used. Frames of requests have a length word, those of answers have none. */
export interface Question {
  /** `header` is that of the client's request: only its names are taken, not API and version. */
  encode (header: RequestHeader): Buffer[]
  /** Hands the answer to whoever asked. @throws {DecodeError} */
  receive (frame: Buffer): ResponseHeader
}

/** `version` is one that every broker has which is looked for here: nobody asks the broker for its versions again. */
export function question<A extends Api> (api: A, version: number, body: RequestInput<A>, take: (answer: ResponseOf<A>) => void): Question {
  return {
    encode: header => encodeRequest(api, version, header, body),
    receive (frame) {
      const answer = decodeResponse(api, version, frame)
      take(answer.body)
      return answer.header
    }
  }
}
