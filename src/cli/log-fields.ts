import { stdSerializers } from 'pino'
import { KafkaError } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'

/** A logger that leaves out the stacks of errors that this project throws on purpose: their messages say it all. */
export function withoutStacks (logger: Logger): Logger {
  return logger.child({}, { serializers: { err: errorFields } })
}

/** A defect keeps its stack: it is the one thing that is known of it. */
function errorFields (error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const fields: Record<string, unknown> = { ...stdSerializers.err(error) }
  if (error instanceof KafkaError) delete fields['stack']
  return fields
}
