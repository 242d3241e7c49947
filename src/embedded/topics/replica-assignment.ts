/** Null when these replicas can be had on the one broker there is, else why not, in Kafka's words. */
export function replicasProblem (brokerIds: readonly number[], nodeId: number): string | null {
  if (brokerIds.length === 0) return 'The manual partition assignment includes an empty replica list.'
  const other = brokerIds.find(brokerId => brokerId !== nodeId)
  if (other !== undefined) return `The manual partition assignment includes broker ${other}, but no such broker is registered.`
  return brokerIds.length > 1 ? `The manual partition assignment includes the broker ${nodeId} more than once.` : null
}
