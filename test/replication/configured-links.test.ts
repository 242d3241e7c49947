import { test } from 'tap'
import { parseLinkDocument, type LinkConfig } from '../../src/config/link-config.ts'
import { createLogger, silentLogger } from '../../src/observability/logger.ts'
import { ConfiguredLinks, type ConfiguredLinksOptions } from '../../src/replication/configured-links.ts'
import { LINK, ShadowPair, until } from '../support/shadow-pair.ts'

const link = (name: string): LinkConfig => parseLinkDocument({ name, client_options: { bootstrap_servers: ['source:9092'] } }, 'test')

function configured (options: Partial<ConfiguredLinksOptions>): ConfiguredLinks {
  return new ConfiguredLinks({ links: [], recordOf: () => null, deletionOf: () => null, differences: () => Promise.resolve([]), create: () => Promise.resolve(), logger: silentLogger, ...options })
}

test('a link that cannot be created keeps no other waiting, and is named as long as it cannot', async t => {
  const created: string[] = []
  const abort = new AbortController()
  const links = configured({
    links: [link('down'), link('fine')],
    create: async ({ name }) => {
      if (name === 'down') throw new Error('nobody answers')
      created.push(name)
      await Promise.resolve()
    }
  })
  const done = links.run(abort.signal)
  await until('the other one is created', () => created.length === 1)
  t.equal(links.problem, 'link down could not be created: nobody answers')
  abort.abort()
  await done
  t.equal(links.problem, null, 'who does not lead has no problem with it')
})

test('a link of the file that was deleted stays deleted, over engines, until somebody creates it', async t => {
  const pair = await ShadowPair.start(t)
  await pair.createTopic('source', 'a')
  pair.write('a', 0, 5)
  const first = pair.startEngine()
  await pair.untilSame('a')
  await first.engine.delete(LINK, { force: true })
  await first.stop()
  await pair.createTopic('source', 'later')

  let logged = ''
  const second = pair.startEngine({ logger: createLogger({ level: 'warn', pretty: false, destination: { write: (text: string) => { logged += text } } }) })
  await until('it is said', () => logged.includes('link dr is in the file of kshadow run, and was deleted at'))
  t.same(await second.engine.list(), [])
  t.equal(second.engine.problem, null)
  t.equal(second.state.state?.claimantOf('later'), null, 'clients may create it')
  await second.engine.create(pair.linkDocument(), { dryRun: false })
  await pair.untilSame('later')
  await second.stop()

  const third = pair.startEngine()
  await until('it goes on', async () => await third.link() !== null)
  t.equal(third.state.state?.deletions.size, 0)
})

test('a link that is not what the file says is named, with what differs', async t => {
  const pair = await ShadowPair.start(t)
  const first = pair.startEngine()
  await until('it exists', async () => await first.link() !== null)
  await first.engine.update(LINK, { ...pair.linkDocument(), topic_metadata_sync_options: { interval: '7s' } }, { dryRun: false })
  await first.stop()
  let logged = ''
  pair.startEngine({ logger: createLogger({ level: 'warn', pretty: false, destination: { write: (text: string) => { logged += text } } }) })
  await until('it is said', () => /link dr differs from the file of kshadow run in [a-z_., ]*topic_metadata_sync_options.interval/.test(logged))
})
