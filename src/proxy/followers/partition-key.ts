/** A partition as the key of a map: no topic's name has a slash. */
export function partitionKey (topic: string, partition: number): string {
  return `${topic}/${partition}`
}
