import { test } from 'tap'
import { advertisedLine } from '../../../../src/replication/append/replica/advertised-address.ts'
import { takePorts } from '../../../support/port-block.ts'

test('an address that leads here is found, and nothing listens afterwards', async t => {
  const block = await takePorts(1)
  t.teardown(() => block.release())
  const address = { host: block.host, port: block.ports[0] ?? 0 }
  t.match(await advertisedLine({ isListening: false }, { listen: address, advertised: address }), { verdict: 'ok' })
  t.match(await advertisedLine({ isListening: true }, { listen: address, advertised: address }), { verdict: 'warning', text: /does not reach itself/ })
})

test('an address that leads elsewhere is warned of, and one that is taken fails', async t => {
  const block = await takePorts(2)
  t.teardown(() => block.release())
  const [listen, elsewhere] = block.ports.map(port => ({ host: block.host, port }))
  if (listen === undefined || elsewhere === undefined) throw new Error('no ports')
  t.match(await advertisedLine({ isListening: false }, { listen, advertised: elsewhere }), { verdict: 'warning', advice: /shadow_leader\.advertised/ })
  // The first port of the block belongs to the block itself.
  const taken = { host: block.host, port: listen.port - 1 }
  t.match(await advertisedLine({ isListening: false }, { listen: taken, advertised: taken }), { verdict: 'failed', text: /^nothing can listen at / })
})
