/** Started by a test, to be killed: has two processes, one of them paused, and prints folder and process ids. */
import { Workspace } from './workspace.ts'

const workspace = Workspace.create('abandoned')
const running = await workspace.spawn('sleep', ['1000'], { stdio: 'ignore' })
const paused = await workspace.spawn('sleep', ['1000'], { stdio: 'ignore' })
paused.kill('SIGSTOP')
console.log([workspace.path, running.pid, paused.pid].join(' '))
