/** Logs: pino, on stderr, because stdout is for data. */
import { pino } from 'pino'
import { build as prettyStream } from 'pino-pretty'
import { crc32cImplementation } from '../../protocol/records/crc32c.ts'

export type Logger = pino.Logger

export type LogLevelName = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

const STDERR = 2

/** Fields that are never logged, whoever logs them. `key` is the private key of a certificate: see TLSPEMSettings. */
const SECRET_FIELDS = ['password', 'secret', 'token', 'key', 'privateKey', 'private_key', 'authorization']

/** pino has no "at any depth": each depth is a path of its own. Nothing that is logged here is nested deeper than this. */
const REDACTED_DEPTH = 6

const REDACTED_PATHS = SECRET_FIELDS.flatMap(field =>
  Array.from({ length: REDACTED_DEPTH }, (_, depth) => '*.'.repeat(depth) + field))

export interface LoggerOptions {
  readonly level: LogLevelName
  /** Lines for people instead of JSON; for when stderr is a terminal. */
  readonly pretty: boolean
  /** Where lines go instead of stderr. */
  readonly destination?: pino.DestinationStream
}

/** A logger whose lines are out when the call returns: the last line before an exit is the one that is wanted most. */
export function createLogger ({ level, pretty, destination }: LoggerOptions): Logger {
  const output = destination ?? stderr()
  const options = { level, redact: { paths: REDACTED_PATHS, censor: '<redacted>' }, base: { pid: process.pid } }
  if (!pretty) return pino(options, output)
  return pino(options, prettyStream({ destination: output, sync: true, singleLine: true, colorize: destination === undefined, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' }))
}

function stderr (): pino.DestinationStream {
  const stream = pino.destination({ fd: STDERR, sync: true })
  // A closed stderr must not end the process: there is nobody left to tell.
  stream.on('error', () => {})
  return stream
}

/** Says which CRC-32C was loaded: every batch goes through it, and fast-crc32c falls back to JavaScript without a word. */
export function logCrc32cImplementation (logger: Logger): void {
  if (crc32cImplementation === 'native') logger.info({ crc32c: crc32cImplementation }, 'CRC-32C is computed natively')
  else logger.warn({ crc32c: crc32cImplementation }, 'CRC-32C is computed in JavaScript, at a fifteenth of the speed: the native part of sse4_crc32 was not built')
}

export const silentLogger: Logger = pino({ level: 'silent' })
