/** `ScramMechanism` (KIP-554). */
export const SCRAM_MECHANISMS = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 } as const

export type ScramMechanism = keyof typeof SCRAM_MECHANISMS

/** What a cluster tells of a credential: never what would let somebody log in with it. */
export interface ScramCredentialInfo {
  readonly user: string
  /** A mechanism that has no name here is left out by whoever asks. */
  readonly mechanism: ScramMechanism
  readonly iterations: number
}

export function scramMechanism (code: number): ScramMechanism | null {
  if (code === SCRAM_MECHANISMS['SCRAM-SHA-256']) return 'SCRAM-SHA-256'
  return code === SCRAM_MECHANISMS['SCRAM-SHA-512'] ? 'SCRAM-SHA-512' : null
}
