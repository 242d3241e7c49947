/**
 * The floor of every proxy in Node: two sockets and pipe(), in a process of its own. Prints the port it listens at; ends when
 * stdin does.
 *
 *   node pipe-relay.js HOST PORT
 */
import { connect, createServer } from 'node:net'

const [host, port] = process.argv.slice(2)
if (host === undefined || port === undefined) throw new Error('usage: pipe-relay HOST PORT')

const server = createServer({ noDelay: true }, client => {
  const broker = connect({ host, port: Number(port), noDelay: true })
  client.pipe(broker).pipe(client)
  // Either end takes the other with it.
  for (const [one, other] of [[client, broker], [broker, client]] as const) {
    one.on('error', () => {})
    one.once('close', () => other.destroy())
  }
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(typeof address === 'object' && address !== null ? address.port : NaN)
})
process.stdin.resume().once('end', () => process.exit(0))
