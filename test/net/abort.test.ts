import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'tap'
import { abortedWithin } from '../../src/net/abort.ts'

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

function isCallable (value: unknown): value is () => void {
  return typeof value === 'function'
}

function collectAll (): void {
  if (!isCallable(collect)) throw new Error('memory cannot be collected')
  for (let round = 0; round < 5; round++) collect()
}

/** Nobody but the one who waits holds the signal. */
function waitFor (signal: AbortSignal, ms: number): Promise<unknown> {
  return new Promise(resolve => {
    const limited = abortedWithin(signal, ms)
    limited.addEventListener('abort', () => resolve(limited.reason), { once: true })
  })
}

test('the time comes, also when memory was collected before', async t => {
  const waiting = waitFor(new AbortController().signal, 100)
  collectAll()
  const keepAlive = setTimeout(() => {}, 10_000)
  t.match(await waiting, { name: 'TimeoutError' })
  clearTimeout(keepAlive)
})

test('the signal comes first, with its reason', async t => {
  const abort = new AbortController()
  const waiting = waitFor(abort.signal, 60_000)
  collectAll()
  abort.abort(new Error('enough'))
  t.match(await waiting, { message: 'enough' })
})

test('a signal that has come already needs no waiting', async t => {
  t.ok(abortedWithin(AbortSignal.abort(), 60_000).aborted)
})
