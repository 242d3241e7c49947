import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { ShadowError } from '../../src/errors.ts'
import { sleep } from '../../src/net/sleep.ts'
import { FakeLinks, link } from '../admin/fake-links.ts'
import { startAdmin } from '../admin/start-admin.ts'
import { runCommand, type CommandOptions, type Outcome } from './run-command.ts'
import { startProcess } from './run-process.ts'

const DOCUMENT = 'name: dr\nclient_options: {bootstrap_servers: ["source:9092"]}\n'

interface Scene {
  readonly links: FakeLinks
  readonly file: string
  readonly address: string
  readonly run: (argv: readonly string[], options?: CommandOptions) => Promise<Outcome>
}

async function scene (t: Test): Promise<Scene> {
  const links = new FakeLinks(link('dr'))
  const { server } = await startAdmin(t, links)
  const directory = await mkdtemp(join(tmpdir(), 'kshadow-update-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'link.yaml')
  await writeFile(file, DOCUMENT)
  const address = `127.0.0.1:${server.address.port}`
  return { links, file, address, run: (argv, options) => runCommand([...argv, '--admin', address], options) }
}

test('a link is given the document of a file, in the words of rpk', async t => {
  const { links, file, run } = await scene(t)
  t.match(await run(['update', 'dr', '-c', file]), { code: 0, out: 'No changes detected\n' })
  links.changed = ['client_options.fetch_max_bytes']
  t.match(await run(['update', 'dr', '-c', file, '--dry-run']), { code: 0, out: 'Shadow link "dr" can be updated. What would change:\n  client_options.fetch_max_bytes\n' })
  t.match(await run(['update', 'dr', '-c', file]), { code: 0, out: 'Successfully updated shadow link "dr".\n' })
  t.same(JSON.parse((await run(['update', 'dr', '-c', file, '--output', 'json'])).out), { name: 'dr', changed: links.changed, reconnects: false, dry_run: false })
  t.same(links.calls.map(([verb, name, , dryRun]) => [verb, name, dryRun]), [['update', 'dr', false], ['update', 'dr', true], ['update', 'dr', false], ['update', 'dr', false]])
  links.failure = new ShadowError('CONFLICT', 'append_mode cannot be changed: it is produce')
  t.match(await run(['update', 'dr', '-c', file]), { code: 1, err: 'kshadow: append_mode cannot be changed: it is produce\n' })
})

test('without a file the present document is edited', async t => {
  const { links, run } = await scene(t)
  links.changed = ['client_options.bootstrap_servers']
  t.match(await run(['update', 'dr']), { code: 2, err: /neither VISUAL nor EDITOR is set: give the whole document with -c FILE/ })
  t.match(await run(['update', 'dr'], { env: { EDITOR: 'true' } }), { code: 0, out: 'No changes detected\n' })
  t.same(links.calls.filter(([verb]) => verb === 'update'), [])
  t.match(await run(['update', 'dr'], { env: { EDITOR: 'sed -i s/source:9092/elsewhere:9092/' } }), { code: 0, out: 'Successfully updated shadow link "dr".\n' })
  t.match(links.calls.find(([verb]) => verb === 'update')?.[2], { name: 'dr', client_options: { bootstrap_servers: ['elsewhere:9092'] } })
  t.match(await run(['update', 'dr'], { env: { EDITOR: 'false' } }), { code: 2, err: /the editor false ended with exit code 1: nothing was changed/ })
})

test('an edit that is no good is kept, and nothing that somebody else did meanwhile is taken back', async t => {
  const { links, run } = await scene(t)
  const broken = await run(['update', 'dr'], { env: { EDITOR: 'sed -i s/source:9092/nowhere/' } })
  t.match(broken, { code: 2, err: /expected a list of host:port|expected host:port/ })
  const path = /what was edited is in (.*)/.exec(broken.err)?.[1] ?? ''
  t.match(await readFile(path, 'utf8'), /nowhere/)
  await rm(join(path, '..'), { recursive: true })

  const status = link('dr')
  let reads = 0
  links.links = { get: () => reads++ === 0 ? status : link('dr', { configuration: { name: 'dr', client_options: { bootstrap_servers: ['other:9092'] } } }) } as unknown as typeof links.links
  const raced = await run(['update', 'dr'], { env: { EDITOR: 'sed -i s/source:9092/mine:9092/' } })
  t.match(raced, { code: 1, err: /was updated by somebody else meanwhile: nothing was changed/ })
  t.same(links.calls.filter(([verb]) => verb === 'update'), [])
  await rm(join(/what was edited is in (.*)/.exec(raced.err)?.[1] ?? '', '..'), { recursive: true })
})

test('Ctrl-C while the editor runs is the editor\'s, and ends no command', async t => {
  const { links, file, address } = await scene(t)
  links.changed = ['client_options.bootstrap_servers']
  // It says that it runs, and edits once it may.
  const editor = join(file, '..', 'editor.sh')
  await writeFile(editor, `echo running\nuntil [ -e '${file}.go' ]; do sleep 0.05; done\nsed -i s/source:9092/elsewhere:9092/ "$1"\n`)
  const { child, ended } = startProcess(t, ['update', 'dr', '--admin', address], { VISUAL: `sh ${editor}` })
  await new Promise(resolve => child.stdout?.once('data', resolve))
  child.kill('SIGINT')
  child.kill('SIGINT')
  await sleep(200)
  t.equal(child.exitCode, null)
  await writeFile(`${file}.go`, '')
  t.same(await ended, { code: 0, out: 'running\nSuccessfully updated shadow link "dr".\n', err: '' })
  t.match(links.calls.find(([verb]) => verb === 'update')?.[2], { client_options: { bootstrap_servers: ['elsewhere:9092'] } })
})
