/** Every example of the documentation is run: what it says must work, as it is written there. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import { test } from 'tap'
import { parseLinkYaml } from '../../src/config/link-config.ts'
import { parseRunYaml, type RunConfig } from '../../src/config/run-config.ts'
import { Cluster } from '../../src/client/cluster.ts'
import { createTopic } from '../../src/client/admin/create-topic.ts'
import { RunningParts } from '../../src/cli/running-parts.ts'
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { formatHostPort } from '../../src/net/host-port.ts'
import { sleep } from '../../src/net/sleep.ts'
import { silentLogger } from '../../src/observability/logger.ts'
import { FAULT_CODES, TOPIC_STATES } from '../../src/state/topic-state.ts'
import { runCommand } from '../cli/run-command.ts'
import { PROJECT_ROOT } from '../support/project-root.ts'
import { anchorsOf, localLinksOf, readPages, type Page } from './markdown.ts'

const PAGES = readPages()
/** Lines of shell blocks that are no commands of kshadow. */
const SET_UP = ['npm run demo', 'npm test', 'npm ci && npm run build && npm link']

function page (path: string): Page {
  const found = PAGES.find(candidate => candidate.path === path)
  if (found === undefined) throw new Error(`there is no ${path}`)
  return found
}

test('every YAML example is a valid file of its kind', async t => {
  for (const { where, info, text } of PAGES.flatMap(({ fences }) => fences)) {
    if (!info.startsWith('yaml')) continue
    if (info === 'yaml run') t.doesNotThrow(() => parseRunYaml(text, where), where)
    else if (info === 'yaml link') t.doesNotThrow(() => parseLinkYaml(text, where), where)
    else t.fail(`${where}: a YAML block says whether it is a run file or a link file`)
  }
})

test('every link leads to a file and a heading that exist', async t => {
  for (const { path, text, fences } of PAGES) {
    for (const target of localLinksOf({ path, text, fences })) {
      const [file = '', anchor] = target.split('#')
      const linked = file === '' ? path : normalize(join(dirname(path), file))
      t.ok(existsSync(join(PROJECT_ROOT, linked)), `${path}: ${target}`)
      if (anchor !== undefined) t.ok(anchorsOf(page(linked)).has(anchor), `${path}: ${target} names a heading`)
    }
  }
})

test('the reference names every topic state and every fault', async t => {
  const { text } = page('docs/reference.md')
  for (const name of [...FAULT_CODES, ...TOPIC_STATES]) t.ok(text.includes(`\`${name}\``), name)
})

test('the commands of the README and of the runbook do what they are said to, one after the other', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'kshadow-docs-'))
  t.teardown(() => { rmSync(directory, { recursive: true, force: true }) })
  const source = await EmbeddedBroker.start()
  const shadow = await EmbeddedBroker.start()
  t.teardown(async () => { await Promise.all([source.stop(), shadow.stop()]) })
  await createTopics(source)

  const [runYaml = '', linkYaml = ''] = ['yaml run', 'yaml link'].map(info => page('README.md').fences.find(fence => fence.info === info)?.text)
  const files = {
    'kshadow.yaml': runYaml.replaceAll('shadow-broker:9092', formatHostPort(shadow.address)),
    'link.yaml': linkYaml.replaceAll('source-broker:9092', formatHostPort(source.address))
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)

  const shell = new Shell(directory)
  t.teardown(() => shell.end())
  for (const path of ['README.md', 'docs/failover-runbook.md']) {
    for (const { where, info, text } of page(path).fences) {
      if (info !== 'sh') continue
      for (const line of text.trim().split('\n')) {
        if (SET_UP.includes(line)) continue
        const { exitCode, output } = await shell.run(line)
        t.equal(exitCode, 0, `${where}: ${line}`, { output })
        if (exitCode !== 0) return
      }
    }
  }
  t.match(shell.history.find(({ line }) => line.startsWith('kshadow status'))?.output, /orders[\s\S]*payments/)
  t.match(shell.history.findLast(({ line }) => line.startsWith('kshadow failover'))?.output, /FAILED_OVER/)
})

async function createTopics (source: EmbeddedBroker): Promise<void> {
  const { signal } = new AbortController()
  const cluster = new Cluster({ bootstrapServers: [source.address], clientId: 'docs', logger: silentLogger })
  try {
    for (const name of ['orders', 'payments', 'test-scratch']) await createTopic(cluster, { name, partitions: 2, replicationFactor: 1, configs: {} }, { signal })
  } finally {
    await cluster.close()
  }
}

/** Runs the lines of the examples: `kshadow run` in this process, on ports that the system chooses, everything else against it. */
class Shell {
  readonly #directory: string
  readonly history: Array<{ readonly line: string, readonly output: string }> = []
  #parts: RunningParts | null = null

  constructor (directory: string) {
    this.#directory = directory
  }

  async run (line: string): Promise<{ readonly exitCode: number, readonly output: string }> {
    const [program, ...words] = line.split(' ')
    if (program !== 'kshadow') return { exitCode: 127, output: `${program ?? ''}: only kshadow is run here` }
    const argv = words.map(word => /^[a-z]+\.yaml$/.test(word) ? join(this.#directory, word) : word)
    if (argv[0] === 'run') {
      await this.#start(argv[2] ?? '')
      return { exitCode: 0, output: '' }
    }
    if (argv[0] === 'status' || argv[0] === 'verify') await this.#untilCopied(argv[1] ?? '')
    const admin = this.#parts?.adminAddress ?? null
    const { code, out, err } = await runCommand(argv, { env: admin === null ? {} : { KSHADOW_ADMIN: formatHostPort(admin) } })
    const output = `${err}${out}`
    this.history.push({ line, output })
    return { exitCode: code, output }
  }

  async #start (file: string): Promise<void> {
    const config = parseRunYaml(readFileSync(file, 'utf8'), file)
    const local: RunConfig = {
      ...config,
      engine: { ...config.engine, sessionTimeoutMs: 2000 },
      sidecar: { ...config.sidecar, listenHost: '127.0.0.1', bootstrapPort: 0 },
      admin: { ...config.admin, listen: { host: '127.0.0.1', port: 0 }, advertised: { host: '127.0.0.1', port: 0 } }
    }
    this.#parts = new RunningParts(local, silentLogger)
    await this.#parts.start(new AbortController().signal)
    while (this.#parts.links?.leadership().leading !== true) await sleep(10)
  }

  /** A reader of the documentation takes a moment before the next command. */
  async #untilCopied (link: string): Promise<void> {
    for (;;) {
      const status = await this.#parts?.links?.status(link)
      const copied = status?.topics.filter(({ partitions }) => partitions.length > 0 && partitions.every(({ shadowEndOffset }) => shadowEndOffset !== null)) ?? []
      if (copied.length >= 2) return
      await sleep(10)
    }
  }

  async end (): Promise<void> {
    await this.#parts?.stop()
  }
}
