import { parse } from 'yaml'
import { Option, type Command } from 'commander'
import { z } from 'zod'
import { ConfigError } from '../../config/config-error.ts'
import { linkDocument, parseLinkYaml, type LinkConfig } from '../../config/link-config.ts'
import { parseRunYaml, type RunConfig } from '../../config/run-config.ts'
import { plainSecretsOf } from '../../config/secrets/secret-fields.ts'
import { formatHostPort } from '../../net/host-port.ts'
import { addLogLevel, addOutput, outputOptions, printJson, type Cli } from '../cli.ts'
import { readConfigFile } from '../config-file.ts'
import { LINK_TEMPLATE, RUN_TEMPLATE } from '../config-templates.ts'
import { EXIT_USAGE } from '../report-error.ts'
import { formatTable } from '../views/table.ts'

type Kind = 'run' | 'link'

const checkOptions = outputOptions.extend({ kind: z.enum(['run', 'link']).optional() })

export function addConfigCommand (program: Command, cli: Cli): void {
  const config = program.command('config').description('write and check configuration files')
  addLogLevel(config.command('generate').description('print a sample file, with every key explained')
    .option('--run', 'the file of `kshadow run`, instead of the file of a link'))
    .addHelpText('after', `
Examples:
  kshadow config generate > link.yaml
  kshadow config generate --run > kshadow.yaml
`)
    .action((_options: unknown, command: Command) => {
      const { run } = z.object({ run: z.boolean().optional() }).parse(command.opts())
      cli.terminal.out(run === true ? RUN_TEMPLATE : LINK_TEMPLATE)
    })

  addOutput(config.command('check').description('say what is wrong with a file, by key and line').argument('<file>', 'a file of `kshadow run`, or of a link')
    .addOption(new Option('--kind <kind>', 'what the file is, where its keys do not tell').choices(['run', 'link'])))
    .addHelpText('after', `
Exits with 0 when the file is valid, and with 2 when it is not. Nothing is connected to: \`kshadow create --dry-run\` does that.

Examples:
  kshadow config check kshadow.yaml
  kshadow config check link.yaml --output json
`)
    .action(async (file: string, _options: unknown, command: Command) => {
      const { output, kind: given } = checkOptions.parse(command.opts())
      const text = await readConfigFile(file)
      const kind = given ?? kindOf(text)
      try {
        const summary = kind === 'run' ? runSummary(parseRunYaml(text, file)) : linkSummary(parseLinkYaml(text, file))
        if (output === 'json') printJson(cli, { file, kind, valid: true, problems: [] })
        else cli.terminal.out(`${file} is a valid ${kind} file\n${formatTable(summary, { indent: '  ' })}`)
      } catch (error) {
        if (output !== 'json' || !(error instanceof ConfigError)) throw error
        printJson(cli, { file, kind, valid: false, problems: error.problems })
        cli.exitCode = EXIT_USAGE
      }
    })
}

const RUN_KEYS: readonly string[] = ['shadow_cluster', 'engine', 'secrets', 'sidecar', 'admin', 'links', 'log_level']

/** What a file is meant to be, by its keys; what has none that tell is taken for the file of a link. */
function kindOf (text: string): Kind {
  let value: unknown
  try {
    value = parse(text, { logLevel: 'silent', maxAliasCount: 0 })
  } catch {
    // What is wrong with the YAML comes out when it is parsed in earnest; its first keys may still tell.
    return RUN_KEYS.some(key => new RegExp(`^${key}\\s*:`, 'm').test(text)) ? 'run' : 'link'
  }
  return typeof value === 'object' && value !== null && Object.keys(value).some(key => RUN_KEYS.includes(key)) ? 'run' : 'link'
}

function runSummary ({ shadowCluster, engine, secrets, sidecar, admin, links }: RunConfig): string[][] {
  return [
    ['shadow cluster', shadowCluster.bootstrapServers.map(formatHostPort).join(', ')],
    ['engine', engine.enabled ? 'on' : 'off'],
    ['secrets', secrets.keyFile === null ? 'references only; no key_file' : `sealed with the first key of ${secrets.keyFile}`],
    ['sidecar', sidecar.enabled ? `on, clients connect to ${formatHostPort({ host: sidecar.advertisedHost, port: sidecar.bootstrapPort })}` : 'off'],
    ['admin port', admin.enabled ? formatHostPort(admin.listen) : 'off'],
    ['links', links.length === 0 ? 'none; `kshadow create` makes them' : links.map(link => link.name).join(', ')]
  ]
}

function linkSummary (link: LinkConfig): string[][] {
  const { name, clientOptions, topicSync } = link
  const secrets = plainSecretsOf(linkDocument(link))
  const filters = topicSync.filters.map(filter => `${filter.filterType.toLowerCase()} ${filter.patternType.toLowerCase()} ${filter.name}`)
  return [
    ['name', name],
    ['source', clientOptions.bootstrapServers.map(formatHostPort).join(', ')],
    ['topics', filters.some(filter => filter.startsWith('include')) ? filters.join(', ') : 'NONE: no filter includes a topic'],
    ...(secrets.length === 0 ? [] : [['secrets', `${secrets.join(', ')}: the engine takes them only with secrets.key_file in the file of kshadow run`]])
  ]
}
