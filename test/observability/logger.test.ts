import { Writable } from 'node:stream'
import { test } from 'tap'
import { z } from 'zod'
import { BrokerError, ShadowError } from '../../src/errors.ts'
import { createLogger, logCrc32cImplementation, silentLogger, type LoggerOptions } from '../../src/observability/logger.ts'

interface Captured {
  readonly logger: ReturnType<typeof createLogger>
  readonly text: () => string
}

function capture (options: Partial<LoggerOptions> = {}): Captured {
  let text = ''
  const destination = new Writable({
    write (chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    }
  })
  return { logger: createLogger({ level: 'info', pretty: false, destination, ...options }), text: () => text }
}

const lineSchema = z.record(z.string(), z.unknown())

/** The only line. */
function lineOf ({ text }: Captured): Record<string, unknown> {
  return lineSchema.parse(JSON.parse(text()))
}

const SECRET_FIELDS = ['password', 'secret', 'token', 'key', 'privateKey', 'private_key', 'authorization']

test('secrets are redacted at every depth that is logged, in children too', async t => {
  for (const pretty of [false, true]) {
    for (const field of SECRET_FIELDS) {
      let value: unknown = 'hunter2'
      for (let depth = 0; depth < 6; depth++) {
        value = { [depth === 0 ? field : 'within']: value, beside: 'shown' }
        const captured = capture({ pretty })
        if (typeof value !== 'object' || value === null) throw new Error('not an object')
        captured.logger.info(value, 'text')
        captured.logger.child(value).info('text')
        t.notMatch(captured.text(), /hunter2/, `${field} at depth ${depth}`)
        t.match(captured.text(), /redacted/)
        t.match(captured.text(), /shown/)
      }
    }
  }
})

test('secrets inside lists and under any name of a map are redacted', async t => {
  const captured = capture()
  captured.logger.info({ links: [{ name: 'a', client: { password: 'hunter2' } }], byName: { a: { token: 'hunter2' } } })
  t.notMatch(captured.text(), /hunter2/)
  t.match(lineOf(captured), { links: [{ name: 'a' }] })
})

test('an error is one line, with its code and details', async t => {
  const captured = capture()
  captured.logger.error({ err: new ShadowError('CONNECT_FAILED', 'no route', { retriable: true, details: { host: 'a', password: 'hunter2' }, cause: new Error('ENETUNREACH') }) }, 'no connection')
  const line = lineOf(captured)
  t.match(line, { level: 50, msg: 'no connection', err: { type: 'ShadowError', code: 'CONNECT_FAILED', retriable: true, details: { host: 'a', password: '<redacted>' } } })
  t.match(JSON.stringify(line), /ENETUNREACH/)
})

test('a broker\'s refusal is logged by name', async t => {
  const captured = capture()
  captured.logger.warn({ err: new BrokerError(44, 'Produce orders', 'read-only') })
  t.match(lineOf(captured), { err: { code: 'BROKER_ERROR', message: /POLICY_VIOLATION \(read-only\)/, details: { wireCode: 44 } } })
})

test('lines below the level are not written', async t => {
  const captured = capture({ level: 'warn' })
  captured.logger.info('quiet')
  t.equal(captured.text(), '')
  captured.logger.warn('loud')
  t.match(lineOf(captured), { msg: 'loud', pid: process.pid })
  t.notOk('hostname' in lineOf(captured))
  silentLogger.fatal('nothing')
})

test('for people, a line is text, and is out when the call returns', async t => {
  const captured = capture({ pretty: true })
  captured.logger.info({ link: 'site-b' }, 'started')
  t.match(captured.text(), /^\[\d\d:\d\d:\d\d\.\d{3}\] .*INFO.*: started.*"link":"site-b"/)
  t.equal(captured.text().split('\n').length, 2)
})

test('it says which CRC-32C was loaded', async t => {
  const captured = capture()
  logCrc32cImplementation(captured.logger)
  t.match(lineOf(captured), { crc32c: /^(native|javascript|js)/i, msg: /CRC-32C is computed/ })
})
