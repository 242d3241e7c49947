import type { Metadata } from '../../../protocol/messages/metadata.ts'
import type { RequestOf, ResponseOf } from '../../../protocol/schema/api.ts'
import { ZERO_UUID } from '../../../protocol/schema/field.ts'
import { inRequestOrder, type Judge } from '../verdict.ts'

type TopicRow = NonNullable<RequestOf<typeof Metadata>['topics']>[number]
type TopicAnswer = ResponseOf<typeof Metadata>['topics'][number]

/** The first version in which a client can ask about a topic without creating it. */
const NO_CREATION_VERSION = 4

/**
 * Keeps a question about topics from creating those that clients may not create. They are asked for in a request of their own,
 * with creation switched off, and the answers are put together: the other topics of the question are created as ever.
 */
export const judgeAutoCreation: Judge<typeof Metadata> = (body, { rules, version }) => {
  const topics = body.topics
  // No list, and in version 0 an empty one, asks for all topics there are: that creates none.
  if (topics === null || (version >= NO_CREATION_VERSION && !body.allowAutoTopicCreation)) return null
  const guarded: TopicRow[] = []
  const others: TopicRow[] = []
  for (const row of topics) {
    const isGuarded = row.topicId === ZERO_UUID && row.name !== null && rules.creationRefusalOf(row.name) !== null
    if (isGuarded) guarded.push(row)
    else others.push(row)
  }
  if (guarded.length === 0) return null
  const requests = [{ body: { ...body, topics: guarded, allowAutoTopicCreation: false }, version: Math.max(version, NO_CREATION_VERSION) }]
  return {
    kind: 'split',
    requests: others.length === 0 ? requests : [...requests, { body: { ...body, topics: others }, version }],
    merge (answers) {
      // The last one speaks the client's version, or there is only one.
      const base = answers.at(-1)
      if (base === undefined) throw new TypeError('a request was sent and has no answer')
      return { ...base, topics: inRequestOrder(topics.map(row => ({ key: keyOf(row), ours: null })), answers.flatMap(answer => answer.topics), keyIn(topics)) }
    }
  }
}

function keyOf ({ topicId, name }: TopicRow): string {
  return topicId === ZERO_UUID ? `name ${name}` : `id ${topicId}`
}

/** An answer has both name and id: its key is the one by which it was asked for. */
function keyIn (topics: readonly TopicRow[]): (row: TopicAnswer) => string {
  const ids = new Set(topics.map(({ topicId }) => topicId))
  return ({ topicId, name }) => topicId !== ZERO_UUID && ids.has(topicId) ? `id ${topicId}` : `name ${name}`
}
