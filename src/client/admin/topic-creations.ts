import type { BrokerError } from '../../errors.ts'
import { Coalesced } from '../coalesced.ts'
import type { NewTopic } from './create-topic.ts'

/** Of records: the controller writes at most 10,000 for one request, and answers nobody else meanwhile. */
const MOST_RECORDS = 5000

/** Topics that are created at about the same time share their requests. */
export class TopicCreations {
  readonly #creations: Coalesced<NewTopic, { readonly refusal: BrokerError | null }>

  /** `create`: see `createTopics`. */
  constructor (create: (topics: readonly NewTopic[]) => Promise<ReadonlyArray<BrokerError | null>>) {
    this.#creations = new Coalesced(async topics => (await create(topics)).map(refusal => ({ refusal })), {
      most: MOST_RECORDS,
      weigh: ({ partitions, configs }) => 1 + partitions + Object.keys(configs).length
    })
  }

  /** @throws {BrokerError} what the cluster says against it; {ShadowError} when nobody knows what was created */
  async create (topic: NewTopic): Promise<void> {
    const { refusal } = await this.#creations.request(topic)
    if (refusal !== null) throw refusal
  }
}
