#!/usr/bin/env node
import { runInProcess } from './process-terminal.ts'
import { runCli } from './program.ts'

await runInProcess(terminal => runCli(process.argv.slice(2), terminal))
