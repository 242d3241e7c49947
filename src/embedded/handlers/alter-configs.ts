/** AlterConfigs, which replaces, and IncrementalAlterConfigs, which changes (KIP-339). */
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { AlterConfigs } from '../../../protocol/messages/alter-configs.ts'
import type { IncrementalAlterConfigs } from '../../../protocol/messages/incremental-alter-configs.ts'
import type { RequestOf, ResponseInput } from '../../../protocol/schema/api.ts'
import { apiError, errorFields, type ApiError } from '../api-error.ts'
import type { BrokerState } from '../broker-state.ts'
import { configProblem, listOf, TOPIC_CONFIGS } from '../topics/config-definitions.ts'
import { RESOURCE_TYPES } from './describe-configs.ts'

type Change = RequestOf<typeof IncrementalAlterConfigs>['resources'][number]['configs'][number]

const SET = 0
const DELETE = 1
const APPEND = 2
const SUBTRACT = 3

interface Resource {
  readonly resourceType: number
  readonly resourceName: string
}

type Overrides = ReadonlyMap<string, string>

export function alterConfigs (state: BrokerState, body: RequestOf<typeof AlterConfigs>): ResponseInput<typeof AlterConfigs> {
  return {
    throttleTimeMs: 0,
    responses: body.resources.map(({ configs, ...resource }) => alter(state, resource, body, () => replaced(configs)))
  }
}

export function incrementalAlterConfigs (state: BrokerState, body: RequestOf<typeof IncrementalAlterConfigs>): ResponseInput<typeof IncrementalAlterConfigs> {
  return {
    throttleTimeMs: 0,
    responses: body.resources.map(({ configs, ...resource }) => alter(state, resource, body, current => changed(current, configs)))
  }
}

interface AlterRow extends Resource {
  readonly errorCode: number
  readonly errorMessage: string | null
}

function alter (state: BrokerState, { resourceType, resourceName }: Resource, all: { readonly resources: readonly Resource[], readonly validateOnly: boolean }, change: (current: Overrides) => Overrides | ApiError): AlterRow {
  const row = (error: ApiError | null): AlterRow => ({ ...errorFields(error), resourceType, resourceName })
  const isRepeated = all.resources.filter(other => other.resourceType === resourceType && other.resourceName === resourceName).length > 1
  if (isRepeated) return row(apiError(ErrorCodes.INVALID_REQUEST, `Each resource must appear at most once: ${resourceName}`))
  if (resourceType === RESOURCE_TYPES.broker) return row(apiError(ErrorCodes.INVALID_REQUEST, 'The configuration of an embedded broker cannot be changed'))
  if (resourceType !== RESOURCE_TYPES.topic) return row(apiError(ErrorCodes.INVALID_REQUEST, `Unsupported resource type: ${resourceType}`))
  const topic = state.topics.byName(resourceName)
  if (topic === null) return row(apiError(ErrorCodes.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${resourceName}' does not exist.`))
  const overrides = change(topic.overrides)
  if ('errorCode' in overrides) return row(overrides)
  if (!all.validateOnly) state.topics.setOverrides(resourceName, overrides)
  return row(null)
}

function replaced (configs: ReadonlyArray<{ readonly name: string, readonly value: string | null }>): Overrides | ApiError {
  const overrides = new Map<string, string>()
  for (const { name, value } of configs) {
    const problem = configProblem(name, value)
    if (problem !== null) return apiError(ErrorCodes.INVALID_CONFIG, problem)
    overrides.set(name, value ?? '')
  }
  return overrides
}

function changed (current: Overrides, changes: readonly Change[]): Overrides | ApiError {
  const overrides = new Map(current)
  const seen = new Set<string>()
  for (const { name, configOperation, value } of changes) {
    if (seen.has(name)) return apiError(ErrorCodes.INVALID_REQUEST, `Error due to duplicate config keys: ${name}`)
    seen.add(name)
    const definition = TOPIC_CONFIGS.get(name)
    if (definition === undefined) return apiError(ErrorCodes.INVALID_CONFIG, `Unknown topic config name: ${name}`)
    if (configOperation === DELETE) {
      overrides.delete(name)
      continue
    }
    if (value === null) return apiError(ErrorCodes.INVALID_REQUEST, `Null value not supported for topic configs: ${name}`)
    if (configOperation === SET) {
      overrides.set(name, value)
    } else if (configOperation === APPEND || configOperation === SUBTRACT) {
      if (definition.type !== 'list') return apiError(ErrorCodes.INVALID_CONFIG, `Can't ${configOperation === APPEND ? 'APPEND' : 'SUBTRACT'} to key ${name} because its type is not LIST.`)
      const items = listOf(overrides.get(name) ?? definition.default)
      const given = listOf(value)
      const result = configOperation === APPEND ? [...items, ...given.filter(item => !items.includes(item))] : items.filter(item => !given.includes(item))
      overrides.set(name, result.join(','))
    } else {
      return apiError(ErrorCodes.INVALID_REQUEST, `Unknown operation ${configOperation}`)
    }
    const problem = configProblem(name, overrides.get(name) ?? null)
    if (problem !== null) return apiError(ErrorCodes.INVALID_CONFIG, problem)
  }
  return overrides
}
