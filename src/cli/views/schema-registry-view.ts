/** What was copied between schema registries. Redpanda's names where it has them (facts/redpanda-contract.md §2.4). */
import type { SchemaRegistryStatus, SchemaSyncSummary } from '../../replication/link-service.ts'
import { printable } from './printable.ts'
import { formatCount, UNKNOWN } from './quantities.ts'
import { formatTable } from './table.ts'

export function schemaRegistryJson (schemas: SchemaRegistryStatus): Record<string, unknown> {
  const { inventory, currentSync, lastFullSync } = schemas
  return {
    source_url: schemas.sourceUrl,
    shadow_url: schemas.shadowUrl,
    import_contexts: schemas.contexts,
    inventory: {
      selected_source_subjects: inventory.selectedSourceSubjects,
      selected_source_subject_versions: inventory.selectedSourceSubjectVersions,
      destination_subjects: inventory.destinationSubjects,
      destination_subject_versions: inventory.destinationSubjectVersions
    },
    skipped_subjects: schemas.skippedSubjects,
    current_sync: currentSync === null ? null : { sync_type: currentSync.syncType, subjects_left: currentSync.subjectsLeft, summary: summaryJson(currentSync.summary) },
    last_full_sync: lastFullSync === null ? null : summaryJson(lastFullSync),
    totals_since_task_start: summaryJson(schemas.totalsSinceTaskStart),
    problem_count: schemas.problemCount,
    problems: schemas.problems,
    opened_at: schemas.openedAt
  }
}

function summaryJson (summary: SchemaSyncSummary): Record<string, unknown> {
  return {
    start_time: summary.startTime,
    finish_time: summary.finishTime,
    subject_versions_changed: summary.subjectVersionsChanged,
    compatibility_configs_changed: summary.compatibilityConfigsChanged,
    modes_changed: summary.modesChanged,
    unsupported_features_removed: summary.unsupportedFeaturesRemoved,
    errors: summary.errors
  }
}

export function schemaRegistryRows (schemas: SchemaRegistryStatus): string {
  const { inventory, currentSync, lastFullSync } = schemas
  const table = formatTable([
    ['SOURCE', schemas.sourceUrl],
    ['SHADOW', schemas.shadowUrl ?? UNKNOWN],
    ...(schemas.openedAt === null ? [['CONTEXTS IN IMPORT', schemas.contexts.join(', ')]] : [['GIVEN BACK', schemas.openedAt]]),
    ['SUBJECTS', `${formatCount(inventory.selectedSourceSubjects)} on the source, ${formatCount(inventory.destinationSubjects)} on the shadow`],
    ['VERSIONS', `${formatCount(inventory.selectedSourceSubjectVersions)} on the source, ${formatCount(inventory.destinationSubjectVersions)} the same on the shadow`],
    ['SKIPPED SUBJECTS', String(schemas.skippedSubjects)],
    ['CURRENT SYNC', currentSync === null ? 'none' : `${currentSync.syncType}, ${currentSync.subjectsLeft} subjects left`],
    ['LAST FULL SYNC', lastFullSync === null ? 'none' : summaryText(lastFullSync)],
    ['SINCE TASK START', summaryText(schemas.totalsSinceTaskStart)],
    ['PROBLEMS', String(schemas.problemCount)]
  ])
  const more = schemas.problemCount - schemas.problems.length
  return table + schemas.problems.map(({ subject, problem }) => `  - ${printable(subject)}: ${printable(problem)}\n`).join('') + (more > 0 ? `  and ${more} more\n` : '')
}

function summaryText (summary: SchemaSyncSummary): string {
  return [
    `${summary.finishTime ?? summary.startTime}: ${summary.subjectVersionsChanged} versions, ${summary.compatibilityConfigsChanged} compatibilities and ${summary.modesChanged} modes changed`,
    `${summary.unsupportedFeaturesRemoved} features left out`,
    `${summary.errors} errors`
  ].join(', ')
}
