import type { Command } from 'commander'
import type { AuditRecord } from '../../state/audit-record.ts'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { UNKNOWN } from '../views/quantities.ts'
import { formatTable } from '../views/table.ts'

export function addAuditCommand (program: Command, cli: Cli): void {
  addAdmin(program.command('audit').description('show who ordered what, and when').argument('[link]', 'name of a link, also of one that was deleted; default: all'))
    .addHelpText('after', `
The newest 1,000 orders are kept. Who it was is what their kshadow said, and nobody has checked it.

Examples:
  kshadow audit my-link
  kshadow audit --output json
`)
    .action(async (link: string | undefined, _options: unknown, command: Command) => {
      const options = adminOptions.parse(command.opts())
      const records = await adminClient(cli, options).audit(link ?? null)
      if (options.output === 'json') printJson(cli, records.map(({ by, ...record }) => ({ ...record, by: by === null ? null : { user: by.user, address: by.address, user_agent: by.userAgent } })))
      else if (records.length === 0) cli.terminal.err('nothing was ordered yet\n')
      else cli.terminal.out(formatTable([['TIME', 'LINK', 'ACTION', 'TOPICS', 'WHAT', 'BY', 'PROBLEM'], ...records.map(rowOf)]))
    })
}

function rowOf ({ at, link, action, topics, detail, by, problem }: AuditRecord): string[] {
  const who = by === null ? 'configuration' : [by.user ?? UNKNOWN, by.address ?? UNKNOWN].join('@')
  return [at, link, action, topics === null ? UNKNOWN : String(topics), detail, who, problem ?? '']
}
