/**
 * `npm run demo`: sets up what is missing, then tells the story of a site that is lost, on clusters that it starts itself.
 *
 *   npm run demo               two embedded clusters: needs nothing but Node
 *   npm run demo -- --kafka    two real Apache Kafka clusters: needs Java 17 and Maven
 *   npm run demo -- --pair     two sites that shadow each other, and the loss of one of them
 *   npm run demo -- --stay     leaves everything running at the end
 */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { installPackages } from './install-packages.mjs'
import { missingTools, resolveKafkaJars, ROOT } from './kafka-jars.mjs'

const say = line => console.log(line)

/** What the command line asks for; null, and the reason told, when it makes no sense. */
function readOptions () {
  try {
    return parseArgs({ options: { kafka: { type: 'boolean', default: false }, pair: { type: 'boolean', default: false }, stay: { type: 'boolean', default: false } } }).values
  } catch (error) {
    say(`${error.message}\nusage: npm run demo -- [--pair] [--kafka] [--stay]`)
    return null
  }
}

function setUp ({ kafka }) {
  installPackages(say)
  if (kafka) {
    const missing = missingTools()
    if (missing.length > 0) {
      say(`the demo on real Kafka needs Java and Maven:\n  ${missing.join('\n  ')}\nwithout them: npm run demo`)
      return false
    }
    resolveKafkaJars(say)
  }
  say('building')
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] })
  return status === 0
}

const options = readOptions()
if (options === null) process.exitCode = 2
else if (!setUp(options)) process.exitCode = 1
else {
  const { runDemo } = await import('../dist/scripts/demo/run-demo.js')
  process.exitCode = await runDemo(options)
}
