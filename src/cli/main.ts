#!/usr/bin/env node
import { runCli } from './program.ts'
import { processTerminal, SignalError } from './terminal.ts'

const ending = new AbortController()

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    const error = new SignalError(name)
    // The second one is for those who do not want to wait.
    if (ending.signal.aborted) process.exit(error.exitCode)
    ending.abort(error)
  })
}

// Whoever read the output has seen enough, as in `kshadow status x | head`.
process.stdout.on('error', () => process.exit(0))
process.stderr.on('error', () => {})

process.exitCode = await runCli(process.argv.slice(2), processTerminal(ending.signal))
