import { test } from 'tap'
import { inRackOrder, placeReplicas } from '../../../../src/replication/append/replica/replica-placement.ts'

test('neighbours are in different racks, as far as that is possible', async t => {
  const brokers = [{ id: 1, rack: 'a' }, { id: 2, rack: 'a' }, { id: 3, rack: 'a' }, { id: 4, rack: 'b' }, { id: 5, rack: 'b' }, { id: 6, rack: null }]
  t.same(inRackOrder(brokers), [1, 4, 6, 2, 5, 3])
  t.same(inRackOrder([...brokers].reverse()), [1, 4, 6, 2, 5, 3], 'whatever order they come in')
  t.same(inRackOrder([]), [])
})

test('leaders and replicas are spread evenly over partitions', async t => {
  const order = [1, 2, 3]
  const placed = Array.from({ length: 9 }, (_, partition) => placeReplicas(order, 'orders', partition, 2))
  for (const id of order) {
    t.equal(placed.filter(([leader]) => leader === id).length, 3, `broker ${id} leads as many as the others`)
    t.equal(placed.filter(replicas => replicas.includes(id)).length, 6)
  }
  t.ok(placed.every(replicas => new Set(replicas).size === 2), 'no broker twice')
})

test('topics of one partition do not all begin at the same broker', async t => {
  const leaders = new Set(Array.from({ length: 20 }, (_, index) => placeReplicas([1, 2, 3], `topic-${index}`, 0, 1)[0]))
  t.same([...leaders].sort(), [1, 2, 3])
})

test('there are never more replicas than brokers', async t => {
  t.same(placeReplicas([7], 'orders', 3, 3), [7])
})
