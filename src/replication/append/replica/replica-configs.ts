/**
 * The configs of a topic while it is a shadow in append mode replica: the source's, but for what would harm the copy. Followers
 * write what they are given, so that nothing has to be kept from stamping, recompressing or refusing a batch; and a compacted
 * topic stays compacted, because every replica cleans by itself, as in Kafka.
 */
export const GUARDED_CONFIGS: Readonly<Record<string, string>> = {
  // With more, replicas that leave the ISR may be elected later without having what we serve (KIP-966, facts/kafka-replica-mode.md §6.4).
  'min.insync.replicas': '1',
  // Nobody but us may lead.
  'unclean.leader.election.enable': 'false',
  // The log start is the source's, which deletes what is before it.
  'retention.ms': '-1',
  'retention.bytes': '-1',
  // Uploading is what a leader does.
  'remote.storage.enable': 'false'
}

/** `supported` are the names that the shadow cluster knows. */
export function replicaShadowingConfigs (carried: Readonly<Record<string, string>>, supported: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...carried, ...GUARDED_CONFIGS }).filter(([name]) => supported.has(name)))
}
