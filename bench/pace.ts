import { sleep } from '../src/net/sleep.ts'

export interface Pace {
  readonly intervalMs: number
  readonly durationMs: number
  readonly signal: AbortSignal
}

/** Calls `act` once per interval, whatever became of the calls before: an open loop. A call that is late is made up for at once. */
export async function pace ({ intervalMs, durationMs, signal }: Pace, act: () => void): Promise<void> {
  const startMs = performance.now()
  const count = Math.round(durationMs / intervalMs)
  for (let done = 0; done < count;) {
    for (const due = Math.min(count, Math.floor((performance.now() - startMs) / intervalMs) + 1); done < due; done++) act()
    await sleep(1, signal)
  }
}
