import { pino } from 'pino'
import { test } from 'tap'
import { withoutStacks } from '../../src/cli/log-fields.ts'
import { ShadowError } from '../../src/errors.ts'
import { createLogger } from '../../src/observability/logger.ts'

function logged (error: unknown): unknown {
  let line = ''
  withoutStacks(pino({}, { write: (text: string) => { line = text } })).child({ part: 'x' }).warn({ err: error }, 'it failed')
  return JSON.parse(line)
}

test('errors that are meant are logged with their code and without a stack', async t => {
  const entry = logged(new ShadowError('CONNECT_FAILED', 'refused', { details: { host: 'a' } }))
  t.match(entry, { part: 'x', msg: 'it failed', err: { code: 'CONNECT_FAILED', message: 'refused', details: { host: 'a' } } })
  t.notMatch(JSON.stringify(entry), /"stack"/)
})

test('a defect is logged with its stack, and what is no error as it is', async t => {
  t.match(logged(new TypeError('undefined is not a function')), { err: { message: 'undefined is not a function', stack: /TypeError[^]*at / } })
  t.match(logged('text'), { err: 'text' })
})

test('secrets stay out of the log', async t => {
  let line = ''
  const logger = createLogger({ level: 'info', pretty: false, destination: { write: (text: string) => { line = text } } })
  withoutStacks(logger).child({ part: 'x' }).warn({ err: new ShadowError('CONNECT_FAILED', 'refused'), sasl: { password: 'hunter2' } }, 'it failed')
  t.match(JSON.parse(line), { sasl: { password: '<redacted>' }, err: { message: 'refused' } })
})
