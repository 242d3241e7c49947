/** The harness that everything else here stands on. */
import { test } from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaCluster, type KafkaVersion } from '../support/kafka-cluster.ts'
import { liveBrokers } from '../support/live-brokers.ts'
import { Workspace } from '../support/workspace.ts'

const VERSIONS: readonly KafkaVersion[] = ['3.9', '4.1', '4.3']

for (const version of VERSIONS) {
  test(`a cluster of Kafka ${version} has the brokers it was asked for, and leaves nothing behind`, async t => {
    const cluster = await KafkaCluster.start({ version, brokers: 2, name: 'harness' })
    t.same((await Promise.all(cluster.bootstrapServers.map(liveBrokers))).map(ids => ids.sort()), [[1, 2], [1, 2]])
    const pids = [...cluster.controllers, ...cluster.brokers].map(node => node.pid ?? 0)
    t.equal(pids.filter(isAlive).length, 3)
    t.ok(existsSync(cluster.logDir(1)))

    await cluster.stop()
    t.notOk(existsSync(cluster.logDir(1)))
    t.same(pids.filter(isAlive), [])
  })
}

test('a broker can be paused, killed and started again at its address', async t => {
  const cluster = await KafkaCluster.start({ version: '4.3', brokers: 1, name: 'harness' })
  t.teardown(() => cluster.stop())
  const [address] = cluster.bootstrapServers
  if (address === undefined) throw new Error('no address')

  await cluster.broker(1).pause()
  let answered = false
  const answer = liveBrokers(address).then(ids => { answered = true; return ids })
  await sleep(300)
  t.notOk(answered)
  cluster.broker(1).resume()
  t.same(await answer, [1])

  await cluster.broker(1).pause()
  await cluster.broker(1).kill()
  t.notOk(cluster.broker(1).isRunning)
  await t.rejects(liveBrokers(address), { code: 'ECONNREFUSED' })
  await cluster.broker(1).start()
  t.same(await liveBrokers(address), [1])

  await cluster.broker(1).stop()
  await t.rejects(liveBrokers(address), { code: 'ECONNREFUSED' })
})

test('what a node said is in the error when it does not start', async t => {
  await t.rejects(KafkaCluster.start({ version: '4.3', brokers: 1, name: 'harness', config: { 'log.segment.bytes': 'many' } }), /node 1 .*Invalid value many for configuration log\.segment\.bytes/s)
})

test('processes and folder end with the process that started them, even when it is killed', async t => {
  const owner = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, '..', 'support', `abandoned-workspace${extname(import.meta.filename)}`)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = await once(createInterface(owner.stdout), 'line')
  const [path = '', ...pids] = String(line[0]).split(' ')
  t.ok(existsSync(path))
  t.equal(pids.map(Number).filter(isAlive).length, 2, 'one of them paused')
  owner.kill('SIGKILL')
  while (existsSync(path) || pids.map(Number).some(isAlive)) await sleep(20)
})

test('a workspace refuses a command that is not there', async t => {
  const workspace = Workspace.create('harness')
  t.teardown(() => workspace.remove())
  await t.rejects(workspace.spawn('no-such-command', []), { code: 'ENOENT' })
})

function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
