import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { addOpeningCommand } from '../opening-command.ts'

export function addFailoverCommand (program: Command, cli: Cli): void {
  addOpeningCommand(program, cli, {
    name: 'failover',
    description: 'open shadow topics for writing, for good',
    topicOption: 'fail over this topic',
    allOption: 'fail over every topic of the link, and shadow nothing new',
    help: `
Copying of the topics stops, what has arrived is kept, and the sidecar lets clients write to them. There is no way
back. Repeating the command is harmless: it goes on with what is left. Without the source it works just as well.
Ctrl-C ends the command, and not the failover, which goes on in the engine.
The topic of a schema registry, _schemas, is opened by its own name only: --topic _schemas.
Exits with 0 only when every topic is FAILED_OVER, or PROMOTED (with --no-wait: when all of them have begun).

Examples:
  kshadow failover my-link --all
  kshadow failover my-link --topic orders --no-confirm
  kshadow failover my-link --topic _schemas
  kshadow failover my-link --filter orders 'payments.*'
`,
    title: 'Fail Over',
    verb: 'Fail over',
    noun: 'failover',
    done: 'failed over',
    goal: 'FAILED_OVER',
    isHopeless: () => false,
    begin: (client, link, topics) => client.failover(link, topics)
  })
}
