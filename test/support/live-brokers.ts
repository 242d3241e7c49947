import { connect } from 'node:net'
import { once } from 'node:events'
import { encodeRequest, decodeResponse } from '../../protocol/header.ts'
import { FrameReader } from '../../protocol/frame.ts'
import { Metadata } from '../../protocol/messages/metadata.ts'
import type { HostPort } from '../../src/net/host-port.ts'

const TIMEOUT_MS = 10_000

/** The version that every release since 0.10 answers. */
const VERSION = 1

/** The ids of the brokers that the broker at `address` knows to be alive, without anything of the product but its codec. */
export async function liveBrokers (address: HostPort): Promise<number[]> {
  const socket = connect(address.port, address.host).setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer to Metadata')))
  try {
    await once(socket, 'connect')
    for (const chunk of encodeRequest(Metadata, VERSION, { correlationId: 1, clientId: 'test' }, { topics: [] })) socket.write(chunk)
    const reader = new FrameReader()
    const frames: Buffer[] = []
    for await (const chunk of socket) {
      if (Buffer.isBuffer(chunk)) reader.push(chunk, frame => frames.push(frame))
      if (frames[0] !== undefined) return decodeResponse(Metadata, VERSION, frames[0]).body.brokers.map(broker => broker.nodeId)
    }
    throw new Error('the broker closed the connection')
  } finally {
    socket.destroy()
  }
}
