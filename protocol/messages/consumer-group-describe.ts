import { api } from '../schema/api.ts'
import { array, bool, int16, int32, int8, string, struct, uuid } from '../schema/field.ts'

const topicPartitions = {
  topicId: uuid('0+', { entity: 'topicId' }),
  topicName: string('0+', { entity: 'topicName' }),
  partitions: array(int32())
}

const assignment = {
  topicPartitions: array(topicPartitions)
}

/** The members of groups of the consumer protocol (KIP-848). */
export const ConsumerGroupDescribe = api({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: '0-1',
  flexible: '0+',
  target: 'groupCoordinator',
  request: {
    groupIds: array(string(), '0+', { entity: 'groupId' }),
    includeAuthorizedOperations: bool()
  },
  response: {
    throttleTimeMs: int32(),
    groups: array({
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+', default: null }),
      groupId: string('0+', { entity: 'groupId' }),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: array({
        memberId: string(),
        instanceId: string('0+', { nullable: '0+', default: null }),
        rackId: string('0+', { nullable: '0+', default: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string(), '0+', { entity: 'topicName' }),
        subscribedTopicRegex: string('0+', { nullable: '0+', default: null }),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        memberType: int8('1+', { default: -1, ignorable: true })
      }),
      authorizedOperations: int32('0+', { default: -2147483648 })
    })
  }
})
