import { ShadowError } from '../errors.ts'

/**
 * For the moment of sending what must not come after another engine has taken over: the signal of a leadership that has ended may be late,
 * as timers are in a process that was stopped for a while.
 * @throws {ShadowError} CLUSTER_UNAVAILABLE (retriable): nothing was sent
 */
export function assertLeads (isLeading: () => boolean): void {
  if (!isLeading()) throw new ShadowError('CLUSTER_UNAVAILABLE', 'another engine may lead by now', { retriable: true, details: { sent: false } })
}
