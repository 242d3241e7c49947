/** What the copying of schemas counts for the status: Redpanda's summary (facts/redpanda-contract.md §2.4). */
import type { SchemaSyncSummary } from '../../../link-service.ts'

export class SyncCounts {
  readonly startTime: string
  subjectVersionsChanged = 0
  compatibilityConfigsChanged = 0
  modesChanged = 0
  unsupportedFeaturesRemoved = 0
  errors = 0

  /** `startTime` in ISO. */
  constructor (startTime: string) {
    this.startTime = startTime
  }

  summary (finishTime: string | null): SchemaSyncSummary {
    const { startTime, subjectVersionsChanged, compatibilityConfigsChanged, modesChanged, unsupportedFeaturesRemoved, errors } = this
    return { startTime, finishTime, subjectVersionsChanged, compatibilityConfigsChanged, modesChanged, unsupportedFeaturesRemoved, errors }
  }
}
