import type { Command } from 'commander'
import { z } from 'zod'
import type { VerifySummary } from '../../admin/verify-stream.ts'
import type { VerifyTopicReport } from '../../replication/link-service.ts'
import { AdminError } from '../admin-client.ts'
import { addAdmin, adminClient, adminOptions, printJson, type Cli } from '../cli.ts'
import { Progress } from '../progress.ts'
import { EXIT_FAILURE, EXIT_OK } from '../report-error.ts'
import { printable } from '../views/printable.ts'
import { formatBytes, formatMs } from '../views/quantities.ts'

const optionsSchema = adminOptions.extend({ topic: z.string().optional() })

export function addVerifyCommand (program: Command, cli: Cli): void {
  addAdmin(program.command('verify').description('compare source and shadow batch by batch, while copying goes on').argument('<link>', 'name of the link')
    .option('--topic <topic>', 'compare this topic only'))
    .addHelpText('after', `
Exits with 0 only when everything was compared and nothing differs. Every byte of both sides is read.

Examples:
  kshadow verify my-link
  kshadow verify my-link --topic orders --output json
`)
    .action(async (link: string, _options: unknown, command: Command) => {
      const options = optionsSchema.parse(command.opts())
      const isText = options.output === 'text'
      const { terminal } = cli
      const progress = new Progress(terminal)
      const started = performance.now()
      const reports: VerifyTopicReport[] = []
      try {
        for await (const line of adminClient(cli, options).verify(link, options.topic ?? null)) {
          if (line.kind === 'problem') throw new AdminError(line.problem)
          if (line.kind === 'partition') {
            reports.push(line.report)
            progress.clear()
            if (isText) terminal.out(`${printable(reportText(line.report))}\n`)
          }
          if (line.kind === 'summary') {
            progress.clear()
            if (isText) terminal.out(summaryText(line.summary))
            else printJson(cli, { link, partitions: reports.map(reportJson), summary: line.summary })
            cli.exitCode = isProof(line.summary) ? EXIT_OK : EXIT_FAILURE
            return
          }
          progress.show(`${reports.length} partitions compared, ${formatMs(performance.now() - started)}`)
        }
      } finally {
        progress.clear()
      }
    })
}

/** True when all was compared, and there was something to compare. */
function isProof ({ partitions, different, incomplete }: VerifySummary): boolean {
  return partitions > 0 && different === 0 && incomplete === 0
}

function reportText (report: VerifyTopicReport): string {
  const compared = `offsets ${report.fromOffset} to ${report.toOffset}, ${report.batches} batches, ${formatBytes(report.bytes)}`
  const verdicts = [
    ...(report.difference === null ? [] : [`DIFFERENT: ${report.difference}`]),
    ...(report.incomplete === null ? [] : [`NOT COMPARED: ${report.incomplete}`])
  ]
  return `${report.topic}/${report.partition}${report.replica === null ? '' : ` on broker ${report.replica}`}: ${verdicts.length === 0 ? 'identical' : verdicts.join('; ')} (compared: ${compared})`
}

function reportJson (report: VerifyTopicReport): Record<string, unknown> {
  return {
    topic: report.topic,
    partition_id: report.partition,
    replica: report.replica,
    from_offset: report.fromOffset,
    to_offset: report.toOffset,
    batches: report.batches,
    bytes: report.bytes,
    difference: report.difference,
    incomplete: report.incomplete
  }
}

function summaryText ({ partitions, batches, bytes, different, incomplete }: VerifySummary): string {
  if (partitions === 0) return '\nNothing was compared: the link has no shadow topic with data.\n'
  const compared = `${partitions} partitions, ${batches} batches, ${formatBytes(bytes)} compared`
  if (different === 0 && incomplete === 0) return `\n${compared}: identical.\n`
  return `\n${compared}: ${different} with a difference, ${incomplete} not compared to the end.\n`
}
