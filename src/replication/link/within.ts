import { ShadowError } from '../../errors.ts'
import { sleep } from '../../net/sleep.ts'

/** Waits for something that goes on in any case. @throws {ShadowError} CONFLICT (retriable) with this message when it takes longer */
export async function within (ms: number, work: Promise<void>, message: string): Promise<void> {
  const timer = new AbortController()
  try {
    await Promise.race([work, sleep(ms, timer.signal).then(() => { throw new ShadowError('CONFLICT', message, { retriable: true }) })])
  } finally {
    timer.abort()
  }
}
