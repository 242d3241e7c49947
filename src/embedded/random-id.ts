/** Ids as Kafka makes them: 128 random bits in URL-safe base64, never with a dash in front that a command line would take for a flag. */
import { randomBytes } from 'node:crypto'

const ID_BYTES = 16

/** `random` gives numbers from 0 up to, and without, 1. */
export function randomId (random: () => number): string {
  for (;;) {
    const id = Buffer.from(Array.from({ length: ID_BYTES }, () => Math.floor(random() * 256))).toString('base64url')
    if (!id.startsWith('-')) return id
  }
}

/** Numbers that nobody can guess. */
export function secureRandom (): number {
  return randomBytes(6).readUIntBE(0, 6) / 2 ** 48
}
