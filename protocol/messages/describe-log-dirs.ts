import { api } from '../schema/api.ts'
import { array, bool, int16, int32, int64, string } from '../schema/field.ts'

/** The log directories of a broker and what lies in them. */
export const DescribeLogDirs = api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: '0-5',
  flexible: '2+',
  request: {
    topics: array({
      topic: string('0+', { entity: 'topicName' }),
      partitions: array(int32())
    }, '0+', { nullable: '0+' })
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16('3+', { default: 0, ignorable: true }),
    results: array({
      errorCode: int16(),
      logDir: string(),
      topics: array({
        name: string('0+', { entity: 'topicName' }),
        partitions: array({
          partitionIndex: int32(),
          partitionSize: int64(),
          offsetLag: int64(),
          isFutureKey: bool()
        })
      }),
      totalBytes: int64('4+', { default: -1n, ignorable: true }),
      usableBytes: int64('4+', { default: -1n, ignorable: true }),
      isCordoned: bool('5+', { default: false, ignorable: true })
    })
  }
})
