/** Both ways to change configurations: AlterConfigs replaces all of a topic's, IncrementalAlterConfigs changes some. */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { AlterConfigs } from '../../../protocol/messages/alter-configs.ts'
import type { IncrementalAlterConfigs } from '../../../protocol/messages/incremental-alter-configs.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import type { WriteRules } from '../write-rules.ts'
import { splitRows, type Judge } from '../verdict.ts'

/** ConfigResource.Type of Kafka; brokers, groups and all others are none of a link's business. */
const TOPIC = 2

type Resource = RequestOf<typeof AlterConfigs>['resources'][number]
type ResourceAnswer = ResponseInput<typeof AlterConfigs>['responses'][number]
type IncrementalResource = RequestOf<typeof IncrementalAlterConfigs>['resources'][number]
type IncrementalAnswer = ResponseInput<typeof IncrementalAlterConfigs>['responses'][number]

interface ResourceName {
  readonly resourceType: number
  readonly resourceName: string
}

/** Retention, compaction and timestamps of a shadow topic are the link's; also when a change is only to be validated. */
export const judgeAlterConfigs: Judge<typeof AlterConfigs> = (body, { rules }) => splitRows<typeof AlterConfigs, Resource, ResourceAnswer>({
  rows: body.resources,
  keyOf,
  refuse: row => refuse(row, rules),
  request: resources => ({ ...body, resources }),
  answer: responses => ({ throttleTimeMs: 0, responses }),
  rowsOf: answer => answer.responses,
  answeredKeyOf: keyOf,
  merge: (answer, responses) => ({ ...answer, responses })
})

export const judgeIncrementalAlterConfigs: Judge<typeof IncrementalAlterConfigs> = (body, { rules }) => splitRows<typeof IncrementalAlterConfigs, IncrementalResource, IncrementalAnswer>({
  rows: body.resources,
  keyOf,
  refuse: row => refuse(row, rules),
  request: resources => ({ ...body, resources }),
  answer: responses => ({ throttleTimeMs: 0, responses }),
  rowsOf: answer => answer.responses,
  answeredKeyOf: keyOf,
  merge: (answer, responses) => ({ ...answer, responses })
})

function keyOf ({ resourceType, resourceName }: ResourceName): string {
  return `${resourceType} ${resourceName}`
}

function refuse ({ resourceType, resourceName }: ResourceName, rules: WriteRules): ResourceAnswer | null {
  const errorMessage = resourceType === TOPIC ? rules.refusalOf(resourceName) : null
  return errorMessage === null ? null : { errorCode: ErrorCodes.POLICY_VIOLATION, errorMessage, resourceType, resourceName }
}
