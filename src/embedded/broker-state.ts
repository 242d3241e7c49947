/** What the handlers of requests work on. */
import type { HostPort } from '../net/host-port.ts'
import type { Logger } from '../observability/logger.ts'
import type { CommittedOffsets } from './groups/committed-offsets.ts'
import type { Groups } from './groups/groups.ts'
import type { ProducerIds } from './producer-ids.ts'
import type { Transactions } from './transactions/transactions.ts'
import type { Topics } from './topics/topics.ts'

export interface BrokerState {
  readonly nodeId: number
  readonly clusterId: string
  /** The address that clients are told. */
  readonly advertised: () => HostPort
  readonly dataDir: string | null
  readonly autoCreateTopics: boolean
  readonly defaultPartitions: number
  readonly topics: Topics
  readonly producerIds: ProducerIds
  readonly groups: Groups
  readonly offsets: CommittedOffsets
  readonly transactions: Transactions
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly logger: Logger
}
