import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { z } from 'zod'
import { CLIENT_DEFAULTS } from '../../src/config/link/client-options.ts'
import { parseLinkYaml } from '../../src/config/link-config.ts'
import { parseRunYaml } from '../../src/config/run-config.ts'
import { FakeLinks, link } from '../admin/fake-links.ts'
import { startAdmin } from '../admin/start-admin.ts'
import { PROJECT_ROOT } from '../support/project-root.ts'
import { runCommand } from './run-command.ts'

const VERBS = ['run', 'config', 'check', 'create', 'list', 'describe', 'status', 'promote', 'failover', 'verify', 'delete']

async function file (t: Test, text: string, name = 'file.yaml'): Promise<string> {
  const path = join(t.testdir(), name)
  await writeFile(path, text)
  return path
}

const LINK = 'name: new\nclient_options:\n  bootstrap_servers: ["source:9092"]\n'

test('help names every command, and each has help with examples', async t => {
  const { code, out, err } = await runCommand(['--help'])
  t.same({ code, err }, { code: 0, err: '' })
  for (const verb of VERBS) t.match(out, new RegExp(`^ {2}${verb} `, 'm'))
  for (const verb of [...VERBS.filter(name => name !== 'config'), 'config generate', 'config check']) {
    t.match(await runCommand([...verb.split(' '), '--help']), { code: 0, out: new RegExp(`Usage: kshadow ${verb}[^]*Examples:\n {2}kshadow ${verb}`), err: '' }, verb)
  }
})

test('the version is that of the package', async t => {
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(await readFile(join(PROJECT_ROOT, 'package.json'), 'utf8')))
  t.same(await runCommand(['--version']), { code: 0, out: `${version}\n`, err: '' })
})

test('wrong usage ends with 2, and says what is wrong on stderr', async t => {
  const cases: Array<[string[], RegExp]> = [
    [[], /Usage: kshadow/],
    [['lst'], /kshadow: unknown command 'lst'/],
    [['list', '--nope'], /kshadow: unknown option '--nope'/],
    [['list', 'x'], /kshadow: too many arguments/],
    [['status'], /kshadow: missing required argument 'link'/],
    [['status', 'a', '--output', 'xml'], /kshadow: option '--output <format>' argument 'xml' is invalid/],
    [['create'], /kshadow: required option '-c, --config-file <file>' not specified/],
    [['run'], /kshadow: required option '-c, --config <file>' not specified/],
    [['failover', 'a', '--all', '--timeout', 'later'], /--timeout: "later": expected a duration/],
    [['promote', 'a'], /give either --topic TOPIC, --filter PATTERN… or --all/],
    [['run', '-c', '/nowhere/at/all.yaml'], /kshadow: \/nowhere\/at\/all\.yaml cannot be read: there is no such file/],
    [['config', 'check', '/'], /kshadow: \/ cannot be read: it is a directory/]
  ]
  for (const [argv, expected] of cases) {
    const { code, out, err } = await runCommand(argv)
    t.same({ code, out }, { code: 2, out: '' }, argv.join(' '))
    t.match(err, expected)
    t.notMatch(err, /\n {4}at /, 'no stack')
  }
})

test('what is to be given once, and of which only the last would count, is refused when it is given twice', async t => {
  const { server } = await startAdmin(t, new FakeLinks(link('a')))
  const admin = ['--admin', `127.0.0.1:${server.address.port}`]
  for (const verb of ['failover', 'promote', 'pause', 'resume']) {
    t.match(await runCommand([verb, 'a', '--topic', 'orders', '--topic', 'payments', ...admin]), { code: 2, out: '', err: "kshadow: --topic was given more than once, and takes one value: several topics are given with --filter, as in --filter orders 'payments.*'\n" }, verb)
  }
  const cases: Array<[string[], RegExp]> = [
    [['verify', 'a', '--topic', 'orders', '--topic', 'payments', ...admin], /--topic was given more than once, and takes one value\n$/],
    [['pause', 'a', '--task', 'x', '--task', 'y', ...admin], /--task was given more than once/],
    [['topic', 'restore', 'a', 'orders', '--from', 'common-prefix', '--from=scratch', '--no-confirm', ...admin], /--from was given more than once/],
    [['create', '-c', 'a.yaml', '--config-file', 'b.yaml', ...admin], /--config-file was given more than once/],
    [['check', '-c', 'a.yaml', '-c', 'b.yaml', ...admin], /--config-file was given more than once/],
    [['update', 'a', '-c', 'a.yaml', '-c', 'b.yaml', ...admin], /--config-file was given more than once/],
    [['run', '-c', 'a.yaml', '-c', 'b.yaml'], /--config was given more than once/],
    [['list', ...admin, ...admin], /--admin was given more than once/]
  ]
  for (const [argv, expected] of cases) t.match(await runCommand(argv), { code: 2, out: '', err: expected }, argv.join(' '))
  t.match(await runCommand(['list', '--output', 'text', '--output', 'json', ...admin]), { code: 0, out: /^\[/ }, 'how it is shown harms nobody')
})

test('the word of rpk for the output is taken as well, and help shows ours', async t => {
  const { server } = await startAdmin(t, new FakeLinks(link('a')))
  const admin = ['--admin', `127.0.0.1:${server.address.port}`]
  for (const line of ['list', 'status a', 'describe a', 'audit', 'verify a', 'failover a --all --no-confirm --no-wait']) {
    const { out } = await runCommand([...line.split(' '), '--format', 'json', ...admin])
    t.doesNotThrow(() => { JSON.parse(out) }, line)
  }
  t.match(JSON.parse((await runCommand(['status', 'b', '--format=json', ...admin])).err), { code: 'NOT_FOUND' }, 'errors, too')
  t.match(await runCommand(['list', '--format', 'yaml', ...admin]), { code: 2, out: '', err: /'yaml' is invalid\. Allowed choices are text, json/ })
  t.notMatch((await runCommand(['list', '--help'])).out, /--format/)
})

test('the samples are valid, and show the defaults', async t => {
  const sample = await runCommand(['config', 'generate'])
  const parsed = parseLinkYaml(sample.out, 'sample')
  t.match(parsed.clientOptions, { fetchMaxBytes: CLIENT_DEFAULTS.fetchMaxBytes, metadataMaxAgeMs: CLIENT_DEFAULTS.metadataMaxAgeMs, sourceClusterId: null })
  t.match(sample.out, new RegExp(`fetch_max_bytes: 0 +# ${CLIENT_DEFAULTS.fetchMaxBytes}\n`))
  t.match(sample.out, new RegExp(`fetch_partition_max_bytes: 0 +# ${CLIENT_DEFAULTS.fetchPartitionMaxBytes}\n`))
  const least = parseLinkYaml('name: my-link\nclient_options: {bootstrap_servers: ["source-broker-1:9092", "source-broker-2:9092"]}', 'least')
  t.same({ ...parsed, topicSync: { ...parsed.topicSync, filters: [] }, groupSync: { ...parsed.groupSync, filters: [] }, securitySync: { ...parsed.securitySync, syncAcls: false, syncQuotas: false } }, least)

  const run = await runCommand(['config', 'generate', '--run'])
  t.same(parseRunYaml(run.out, 'sample'), parseRunYaml('shadow_cluster: {bootstrap_servers: ["shadow-broker-1:9092", "shadow-broker-2:9092"]}', 'least'))
  t.same([sample.code, run.code, sample.err, run.err], [0, 0, '', ''])
})

test('check knows both kinds of file, and sums them up', async t => {
  const link = await file(t, LINK)
  t.same(await runCommand(['config', 'check', link]), { code: 0, out: `${link} is a valid link file\n  name    new\n  source  source:9092\n  topics  NONE: no filter includes a topic\n`, err: '' })
  const run = await file(t, 'shadow_cluster: {bootstrap_servers: ["b:9092"]}\n')
  t.match(await runCommand(['config', 'check', run]), { code: 0, out: /is a valid run file\n[^]*sidecar {9}on, clients connect to 127\.0\.0\.1:19092/ })
  t.same(JSON.parse((await runCommand(['config', 'check', run, '--output', 'json'])).out), { file: run, kind: 'run', valid: true, problems: [] })
})

test('check says what is needed for a secret that is given as it is', async t => {
  const registry = 'schema_registry_sync_options: {shadow_schema_registry_api: {source_url: "https://r", auth_options: {basic: {username: me, password: hunter2}}}}\n'
  const link = await file(t, `${LINK}${registry}`)
  t.match(await runCommand(['config', 'check', link]), { code: 0, out: /\n {2}secrets +schema_registry_sync_options\S+\.password: the engine takes them only with secrets\.key_file in the file of kshadow run\n/ })
  const run = (more: string): string => `shadow_cluster: {bootstrap_servers: ["b:9092"]}\n${more}links:\n  - {name: a, client_options: {bootstrap_servers: ["a:1"]}, ${registry.trim()}}\n`
  const without = await runCommand(['config', 'check', await file(t, run(''))])
  t.match(without, { code: 2, err: /:3: links\[0\]\.schema_registry_sync_options\S+\.password: <redacted>: .*set secrets\.key_file/ })
  const withKey = await runCommand(['config', 'check', await file(t, run('secrets: {key_file: /etc/kshadow/secret.key}\n'))])
  t.match(withKey, { code: 0, out: /\n {2}secrets +sealed with the first key of \/etc\/kshadow\/secret\.key\n/ })
  t.notMatch(JSON.stringify([without, withKey]), /hunter2/)
})

test('check names key, line, value and what was expected, and no secret', async t => {
  const path = await file(t, 'shadow_cluster:\n  bootstrap_servers: [nonsense]\nsidecar:\n  bootstrap_port: 70000\n  sasl_password: hunter2\nlog_level: loud\n')
  const { code, out, err } = await runCommand(['config', 'check', path])
  t.same({ code, out }, { code: 2, out: '' })
  t.match(err, new RegExp(`kshadow: ${path}:2: shadow_cluster\\.bootstrap_servers\\[0\\]: "nonsense": expected host:port`))
  t.match(err, new RegExp(`kshadow: ${path}:4: sidecar\\.bootstrap_port: 70000: expected a whole number from 0 to 65535`))
  t.match(err, new RegExp(`kshadow: ${path}:5: sidecar\\.sasl_password: unknown key`))
  t.match(err, new RegExp(`kshadow: ${path}:6: log_level: "loud": expected trace, debug, info, warn or error`))
  const json = await runCommand(['config', 'check', path, '--output', 'json'])
  t.same([json.code, json.err], [2, ''])
  t.match(JSON.parse(json.out), { kind: 'run', valid: false, problems: [{ key: 'shadow_cluster.bootstrap_servers[0]', line: 2, value: '"nonsense"' }, {}, {}, {}] })
  t.notMatch(err + json.out, /hunter2/)
})

test('check refuses what is no YAML, or nothing, or too much', async t => {
  for (const text of ['', '- a\n- b\n', 'name: [', 'links: [\n', '"just text"', `name: ${'x'.repeat(1024 * 1024)}`, 'a: &a [x]\nb: *c\n', '{a: 1, a: 2}']) {
    const { code, out } = await runCommand(['config', 'check', await file(t, text)])
    t.same({ code, out }, { code: 2, out: '' }, text.slice(0, 20))
  }
})

test('run refuses a file that is not valid', async t => {
  t.match(await runCommand(['run', '-c', await file(t, LINK)]), { code: 2, out: '', err: /shadow_cluster: expected shadow_cluster with bootstrap_servers/ })
})

test('create sends the link of a file, after it has asked', async t => {
  const links = new FakeLinks()
  const { server } = await startAdmin(t, links)
  const path = await file(t, LINK)
  const argv = ['create', '-c', path, '--admin', `127.0.0.1:${server.address.port}`]
  t.match(await runCommand(argv, { answers: ['n'] }), { code: 1, out: '', err: 'Link Name: new\nBootstrap Servers:\n  - source:9092\nCreate this shadow link? [y/N] nothing was created\n' })
  t.match(await runCommand(argv), { code: 2, out: '', err: /give --no-confirm/ })
  t.same(links.calls, [])
  t.match(await runCommand(argv, { answers: ['y'] }), {
    code: 0,
    out: 'Successfully created shadow link "new" with ID "11111111-2222-4333-8444-555555555555". To query the status, run:\n  \'kshadow status new\'\n'
  })
  t.match(links.calls, [['create', { name: 'new', client_options: { bootstrap_servers: ['source:9092'] } }, false]])
  t.same(JSON.parse((await runCommand([...argv, '--no-confirm', '--output', 'json'])).out), {
    name: 'new', id: '11111111-2222-4333-8444-555555555555', state: 'ACTIVE', source_cluster_id: 'source-cluster', dry_run: false
  })
})

test('create can try without creating', async t => {
  const links = new FakeLinks()
  const { server } = await startAdmin(t, links)
  const argv = ['create', '-c', await file(t, LINK), '--dry-run', '--admin', `127.0.0.1:${server.address.port}`]
  t.match(await runCommand(argv), { code: 0, out: /^Shadow link "new" can be created:[^]*Nothing was created\.\n$/ })
  t.match(JSON.parse((await runCommand([...argv, '--output', 'json'])).out), { id: null, state: null, dry_run: true })
  t.same(links.calls.map(([verb, , dryRun]) => [verb, dryRun]), [['create', true], ['create', true]])
})

test('create refuses a file that is not valid before it connects to anything', async t => {
  const path = await file(t, 'name: ../x\nclient_options:\n  bootstrap_servers: ["a:1"]\n')
  const argv = ['create', '-c', path, '--no-confirm', '--admin', '127.0.0.1:1']
  t.match(await runCommand(argv), { code: 2, err: `kshadow: ${path}:1: name: "../x": expected 1 to 128 letters, digits, ".", "_" and "-"\n` })
  t.match(JSON.parse((await runCommand([...argv, '--output', 'json'])).err), { code: 'CONFIG_INVALID', problems: [{ key: 'name', line: 1, value: '"../x"' }] })
})

test('a stack is shown to those who ask for it, and to nobody else', async t => {
  const argv = ['list', '--admin', '127.0.0.1:1']
  t.notMatch((await runCommand(argv)).err, /\n {4}at /)
  t.match((await runCommand([...argv, '--log-level', 'debug'])).err, /CONNECT_FAILED|ShadowError[^]*\n {4}at /)
})
