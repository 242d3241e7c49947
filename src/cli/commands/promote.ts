import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { addOpeningCommand } from '../opening-command.ts'

export function addPromoteCommand (program: Command, cli: Cli): void {
  addOpeningCommand(program, cli, {
    name: 'promote',
    description: 'open shadow topics for writing once they have everything, while the source is alive',
    topicOption: 'promote this topic',
    allOption: 'promote every topic of the link, and shadow nothing new afterwards',
    help: `
A planned switch-over, which loses nothing. Stop the source's writers first: kshadow cannot, and waits for as long as
the source grows. A topic goes on being copied until the shadow has all that the source has, asked twice, a second
apart; then the sidecar lets clients write to it. There is no way back from there. Should the source die meanwhile,
\`kshadow failover\` opens the topic with what it has. Repeating the command is harmless.
With --all, topics that are new on the source are shadowed and promoted, too. Nothing is begun if any topic is FAULTED.
Ctrl-C ends the command, and not the promotion: it goes on in the engine, where a failover can take its place.
Exits with 0 only when every topic is PROMOTED (with --no-wait: when all of them have begun), and with 1 when one was
failed over meanwhile. With --all and --filter, topics that were FAILED_OVER before are named, and do not count.

Examples:
  kshadow promote my-link --all
  kshadow promote my-link --topic orders --no-confirm
  kshadow promote my-link --filter orders 'payments.*'
`,
    title: 'Promotion',
    verb: 'Promote',
    noun: 'promotion',
    done: 'promoted',
    goal: 'PROMOTED',
    isHopeless: state => state === 'FAULTED',
    begin: (client, link, topics) => client.promote(link, topics)
  })
}
