import { test } from 'tap'
import { GrowingImage } from '../../src/kraft/metadata/growing-image.ts'
import { interBrokerListener, largestRack } from '../../src/kraft/registered-brokers.ts'

function imageOf (brokers: ReadonlyArray<{ readonly id: number, readonly rack?: string | null, readonly listeners?: Readonly<Record<string, number>> }>): GrowingImage {
  const image = new GrowingImage()
  for (const { id, rack = null, listeners = {} } of brokers) {
    const endpoints = new Map(Object.entries(listeners).map(([name, securityProtocol]) => [name, { host: 'h', port: 1, securityProtocol }]))
    image.brokers.set(id, { id, epoch: 1n, incarnationId: '', endpoints, rack, fenced: false, inControlledShutdown: false, logDirs: [], cordonedLogDirs: [] })
  }
  return image
}

const two = imageOf([{ id: 1, listeners: { INTERNAL: 3, CLIENTS: 1 } }, { id: 2, listeners: { INTERNAL: 3 } }, { id: 9, listeners: { X: 0 } }])

test('the only listener that all brokers have is the one between brokers', async t => {
  const image = imageOf([{ id: 1, listeners: { A: 2 } }, { id: 2, listeners: { A: 2 } }, { id: 9, listeners: { B: 0 } }])
  t.same(interBrokerListener(image, { brokerId: 9, configured: null }), { name: 'A', securityProtocol: 2 })
})

test('of several the configuration has to name one', async t => {
  const needed = { code: 'SETTING_NEEDED', details: { setting: 'interBrokerListener' } }
  t.throws(() => interBrokerListener(two, { brokerId: 9, configured: null }), { ...needed, message: /CLIENTS, INTERNAL/ })
  t.throws(() => interBrokerListener(imageOf([{ id: 9, listeners: { X: 0 } }]), { brokerId: 9, configured: null }), { ...needed, message: /no other broker/ })
  t.same(interBrokerListener(two, { brokerId: 9, configured: 'INTERNAL' }), { name: 'INTERNAL', securityProtocol: 3 })
})

test('a listener that is configured must be there, and be the same everywhere', async t => {
  t.throws(() => interBrokerListener(two, { brokerId: 9, configured: 'NONE' }), { code: 'CONFLICT' })
  t.throws(() => interBrokerListener(imageOf([{ id: 1, listeners: { A: 0 } }, { id: 2, listeners: { A: 1 } }]), { brokerId: 9, configured: 'A' }), { code: 'CONFLICT' })
})

test('the largest rack is that of most brokers, without ourselves', async t => {
  t.equal(largestRack(imageOf([{ id: 1, rack: 'b' }, { id: 2, rack: 'a' }, { id: 3, rack: 'b' }, { id: 9, rack: 'a' }]), { brokerId: 9 }), 'b')
  t.equal(largestRack(imageOf([{ id: 1, rack: 'b' }, { id: 2, rack: 'a' }]), { brokerId: 9 }), 'a')
  t.equal(largestRack(imageOf([]), { brokerId: 9 }), null)
})
