/** What is recorded of a topic when the state topic does not take it. */
import { test, type Test } from 'tap'
import { BrokerError, ShadowError } from '../../../src/errors.ts'
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { silentLogger } from '../../../src/observability/logger.ts'
import type { PartitionStatus } from '../../../src/replication/link-service.ts'
import { ShadowTopic } from '../../../src/replication/link/shadow-topic.ts'
import type { TopicRecord } from '../../../src/state/records.ts'
import type { TopicFault } from '../../../src/state/topic-state.ts'
import { until } from '../../support/shadow-pair.ts'
import { topicRecord } from '../../support/topic-record.ts'

const RECORD = topicRecord()

const FAULT: TopicFault = { code: 'DIVERGED', reason: 'for a test', partition: 0, offset: 7 }

const STATUS: PartitionStatus = { partition: 0, sourceLogStartOffset: 0, sourceLastStableOffset: 7, sourceHighWatermark: 7, shadowEndOffset: 7, lagRecords: 0, lagSeconds: 0, sourceContactAgeMs: 0, activity: 'copying', problem: null }

class Scene {
  readonly topic: ShadowTopic
  readonly written: TopicRecord[] = []
  /** What the writes to come fail with, one by one. */
  readonly failures: Error[] = []
  /** What a write waits for. */
  writing: Promise<unknown> = Promise.resolve()
  attempts = 0
  copying: 'copying' | 'frozen' | 'stopped' = 'copying'

  constructor (t: Test, record: Partial<TopicRecord> = {}) {
    const abort = new AbortController()
    t.teardown(() => { abort.abort() })
    this.topic = new ShadowTopic({ ...RECORD, ...record }, {
      now: () => 0,
      wallClock: () => new Date(0),
      logger: silentLogger,
      signal: abort.signal,
      write: async ([change]) => {
        this.attempts++
        const failure = this.failures.shift()
        await this.writing
        if (failure !== undefined) throw failure
        if (change?.kind === 'topic' && change.value !== null) this.written.push(change.value)
      },
      begin: () => ({
        partition: 0,
        shadowEndOffset: 7,
        freeze: () => { if (this.copying !== 'stopped') this.copying = 'frozen' },
        thaw: () => { if (this.copying !== 'stopped') this.copying = 'copying' },
        stop: () => { this.copying = 'stopped' },
        status: () => STATUS
      })
    })
    this.topic.copy(1)
  }

  /** The next writes are refused for good. */
  refuse (times: number): void {
    for (let time = 0; time < times; time++) this.failures.push(new BrokerError(ErrorCodes.TOPIC_AUTHORIZATION_FAILED, 'Produce __kshadow_links'))
  }
}

test('a fault that cannot be recorded stays, and is written until it is', async t => {
  const scene = new Scene(t)
  scene.refuse(3)
  scene.topic.fault(FAULT)
  t.match(scene.topic.status(1), { state: 'FAULTED', fault: FAULT, fidelity: 'unknown' })
  await until('three writes were refused', () => scene.attempts >= 3)
  t.match(scene.topic.status(1), { state: 'FAULTED', fault: FAULT })
  await until('it is recorded', () => scene.written.length > 0)
  t.match(scene.written, [{ state: 'FAULTED', fault: FAULT, since: new Date(0).toISOString() }])
  t.match(scene.topic.status(1), { state: 'FAULTED', fault: FAULT })
  t.equal(scene.copying, 'stopped')
  t.equal(scene.written.length, 1)
})

test('a fault that was repaired before it could be recorded is not written any more', async t => {
  const scene = new Scene(t)
  scene.refuse(1)
  scene.topic.fault(FAULT)
  await until('it was refused', () => scene.attempts === 1)
  await scene.topic.restart()
  await new Promise(resolve => setTimeout(resolve, 500))
  t.match(scene.written, [{ state: 'ACTIVE', fault: null }])
  t.match(scene.topic.record, { state: 'ACTIVE', fault: null })
})

test('a fault that is found while an opening is being recorded does not close the topic again', async t => {
  const scene = new Scene(t, { state: 'FAILING_OVER' })
  let release = (): void => {}
  scene.writing = new Promise<void>(resolve => { release = resolve })
  const opened = scene.topic.enter('FAILED_OVER', { endOffsets: [7] })
  scene.topic.fault(FAULT)
  release()
  await opened
  t.equal(scene.topic.record.state, 'FAILED_OVER')
  await until('the fault is recorded', () => scene.written.some(({ fault }) => fault !== null))
  t.same(scene.written.map(({ state }) => state), ['FAILED_OVER', 'FAILED_OVER'])
  t.match(scene.topic.record, { state: 'FAILED_OVER', endOffsets: [7], fault: FAULT })
})

test('a topic whose pause cannot be recorded goes on being copied', async t => {
  const scene = new Scene(t)
  scene.refuse(1)
  await t.rejects(scene.topic.pause({ pausedWithLink: false }), { message: /TOPIC_AUTHORIZATION_FAILED/ })
  t.equal(scene.topic.record.state, 'ACTIVE')
  t.equal(scene.copying, 'copying')
  scene.refuse(1)
  const paused = t.rejects(scene.topic.pause({ pausedWithLink: false }))
  scene.topic.fault(FAULT)
  await paused
  t.equal(scene.copying, 'stopped', 'one that was stopped meanwhile does not')
})

test('once a promotion hands a topic over, a fault is recorded beside its state, and keeps nobody from going on', async t => {
  const scene = new Scene(t, { state: 'PROMOTING', handingOver: true })
  scene.topic.fault(FAULT)
  await until('it is recorded', () => scene.written.length > 0)
  t.match(scene.written, [{ state: 'PROMOTING', handingOver: true, fault: FAULT }])
  t.match(scene.topic.record, { state: 'PROMOTING', handingOver: true, fault: FAULT })
  await scene.topic.enter('PROMOTED', { handingOver: false })
  t.match(scene.topic.record, { state: 'PROMOTED', fault: FAULT })
})

test('only a topic that is FAULTED is restarted, and only one that is PAUSED is resumed', async t => {
  const scene = new Scene(t, { state: 'FAILING_OVER' })
  await t.rejects(scene.topic.restart(), { code: 'CONFLICT', message: /topic orders is FAILING_OVER/ })
  await scene.topic.follow('ACTIVE')
  await scene.topic.follow('PROMOTING')
  t.equal(scene.topic.record.state, 'FAILING_OVER')
  t.same(scene.written, [])
  const promoting = new Scene(t, { state: 'PROMOTING' })
  await promoting.topic.follow('ACTIVE')
  t.equal(promoting.topic.record.state, 'PROMOTING')
})

test('a topic that was frozen when it was stopped is not frozen any more once it is restarted', async t => {
  const scene = new Scene(t, { state: 'PROMOTING' })
  scene.topic.freeze()
  scene.topic.fault(FAULT)
  await until('it is recorded', () => scene.written.length > 0)
  await scene.topic.restart()
  t.ok(scene.topic.isShadowed)
  t.ok(scene.topic.isCopying)
})

test('the end of leadership ends the writing of a fault', async t => {
  const abort = new AbortController()
  let attempts = 0
  const topic = new ShadowTopic(RECORD, {
    now: () => 0,
    wallClock: () => new Date(0),
    logger: silentLogger,
    signal: abort.signal,
    write: () => {
      attempts++
      return Promise.reject(new ShadowError('CLUSTER_UNAVAILABLE', 'for a test'))
    },
    begin: () => { throw new Error('nothing is copied here') }
  })
  topic.fault(FAULT)
  await until('it was tried', () => attempts > 1)
  abort.abort()
  await new Promise(resolve => setTimeout(resolve, 20))
  const before = attempts
  await new Promise(resolve => setTimeout(resolve, 500))
  t.equal(attempts, before)
  t.equal(topic.record.state, 'FAULTED')
})
