const MAX_LENGTH = 249

/** Null for a name that a topic can have, else why not, in Kafka's words. Source: org.apache.kafka.common.internals.Topic. */
export function topicNameProblem (name: string): string | null {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed'
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > MAX_LENGTH) return `Topic name is invalid: the length of '${name}' is longer than the max allowed length ${MAX_LENGTH}`
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  return null
}

/** Names that differ in nothing but periods and underscores get in each other's way in Kafka's metrics, so only one of them may exist. */
export function collisionKey (name: string): string {
  return name.replaceAll('.', '_')
}
