import type { TopicRecord } from '../../src/state/records.ts'

/** The record of a shadow topic that is copied, of link `dr`, with `fields` in the place of what it says of itself. */
export function topicRecord (fields: Partial<TopicRecord> = {}): TopicRecord {
  return {
    link: 'dr',
    topic: 'orders',
    state: 'ACTIVE',
    since: '',
    owned: true,
    sourceTopicId: null,
    created: true,
    shadowTopicId: null,
    partitions: 1,
    replicationFactor: null,
    startOffsets: null,
    configs: {},
    fault: null,
    handingOver: false,
    pausedWithLink: false,
    endOffsets: null,
    refusedConfigs: {},
    rollbacks: [],
    ...fields
  }
}
