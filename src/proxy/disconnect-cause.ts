/** Why a client's connection ended: a closed list, because each is a metric label. */
export const DISCONNECT_CAUSES = [
  /** The client closed it. */
  'client_closed',
  /** The client's socket failed. */
  'client_error',
  /** Bytes that are no request: a length that no frame has, another protocol, a request that cannot be read. */
  'client_malformed',
  /** A request of an API or version that is not offered, and that cannot be answered because nobody here knows its form. */
  'api_refused',
  /** Part of a request that asks for no answer was refused: closing is the only way to say so (Kafka does the same). */
  'acks0_refused',
  /** A topic became read-only while records for it were coming in: their end was not passed on. */
  'refused_late',
  /** Part of a request was held, and no more of it came, or the client took none of its answers. */
  'client_stalled',
  /** The cluster has no broker of the id that the port stands for. */
  'upstream_unknown',
  'upstream_unreachable',
  'upstream_closed',
  'upstream_error',
  /** An answer that cannot be read, or that nobody asked for. */
  'upstream_malformed',
  /** An answer to another request than the oldest that is waiting for one. */
  'correlation_mismatch',
  'drain_completed',
  'drain_timeout',
  /** A defect of this program; the log has it. */
  'internal_error'
] as const

export type DisconnectCause = typeof DISCONNECT_CAUSES[number]
