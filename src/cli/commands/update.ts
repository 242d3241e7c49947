import { isDeepStrictEqual } from 'node:util'
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { z } from 'zod'
import { linkDocument, parseLinkYaml } from '../../config/link-config.ts'
import { ShadowError } from '../../errors.ts'
import type { LinkUpdate } from '../../replication/link-service.ts'
import type { AdminClient } from '../admin-client.ts'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { readConfigFile } from '../config-file.ts'
import { editText } from '../editor.ts'
import { printable } from '../views/printable.ts'

const optionsSchema = adminOptions.extend({ configFile: z.string().optional(), dryRun: z.boolean().optional() })

export function addUpdateCommand (program: Command, cli: Cli): void {
  addAdmin(program.command('update').description('change how a link is configured').argument('<link>', 'name of the link')
    .option('-c, --config-file <file>', 'YAML file with the whole document that the link is to have; without it, the present one is opened in $EDITOR')
    .option('--dry-run', 'say what would change, and change nothing'))
    .addHelpText('after', `
The document replaces the one that the link has: a key that is left out is a key with its default. Options of tasks count
from their next run on, which begins at once; for other client options the link connects to its source anew, and copying
pauses for a moment. The name, the append mode and the source cluster cannot be changed.

Examples:
  kshadow update my-link
  kshadow update my-link -c link.yaml --dry-run
`)
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = optionsSchema.parse(command.opts())
      const client = adminClient(cli, options)
      const dryRun = options.dryRun ?? false
      const update = options.configFile === undefined
        ? await updateByEditor(cli, client, name, dryRun)
        : await client.update(name, linkDocument(parseLinkYaml(await readConfigFile(options.configFile), options.configFile)), { dryRun })
      const changed = update?.changed ?? []
      if (options.output === 'json') printJson(cli, { name, changed, reconnects: update?.reconnects ?? false, dry_run: dryRun })
      else if (changed.length === 0) cli.terminal.out('No changes detected\n')
      else if (dryRun) cli.terminal.out(`Shadow link "${printable(name)}" can be updated. What would change:\n${changed.map(key => `  ${printable(key)}\n`).join('')}${update?.reconnects === true ? 'It would connect to its source anew.\n' : ''}`)
      else cli.terminal.out(`Successfully updated shadow link "${printable(name)}".\n`)
    })
}

/** Null where nothing was edited. */
async function updateByEditor ({ terminal }: Cli, client: AdminClient, name: string, dryRun: boolean): Promise<LinkUpdate | null> {
  const { configuration } = await client.status(name)
  const before = stringify(configuration)
  const edited = await editText(before, `${name}.yaml`, terminal)
  try {
    if (edited.text === before) {
      await edited.remove()
      return null
    }
    const document = linkDocument(parseLinkYaml(edited.text, edited.path))
    // The document is sent whole: what somebody else has changed meanwhile would be taken back by it.
    if (!isDeepStrictEqual((await client.status(name)).configuration, configuration)) throw new ShadowError('CONFLICT', `link ${name} was updated by somebody else meanwhile: nothing was changed`)
    const update = await client.update(name, document, { dryRun })
    await edited.remove()
    return update
  } catch (error) {
    terminal.err(`kshadow: what was edited is in ${edited.path}\n`)
    throw error
  }
}
