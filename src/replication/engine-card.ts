/** What an engine tells the one that leads, through the group that elects it. */
import { z } from 'zod'
import type { EnginePlace } from './append/replica/shadow-identity.ts'

const card = z.object({
  v: z.literal(1),
  instance: z.string(),
  /** Where the shadow brokers reach it; null where it can be no shadow leader. */
  shadowLeader: z.string().nullable()
})

export function encodeCard (instance: string, address: string | null): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, instance, shadowLeader: address } satisfies z.infer<typeof card>))
}

/** The engines that can be shadow leaders; what an engine of another version tells is left out. */
export function placesOf (cards: readonly Buffer[]): EnginePlace[] {
  return cards.flatMap(bytes => {
    const { success, data } = card.safeParse(parsed(bytes))
    return success && data.shadowLeader !== null ? [{ instance: data.instance, address: data.shadowLeader }] : []
  })
}

function parsed (bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    // Engines of before this tell nothing.
    return null
  }
}
