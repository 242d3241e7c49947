import type { Socket } from 'node:net'

/** How long the other side has to close, too, once it has everything. */
const LINGER_MS = 1000

/**
 * Ends a connection so that what was written still arrives: with unread bytes left, closing at once would make the kernel
 * reset it, and the other side could lose what it has not read yet. What comes in the meantime is thrown away.
 * Nothing lasts longer than `limitMs`.
 */
export function closeGently (socket: Socket, limitMs: number): void {
  if (socket.destroyed) return
  const destroy = (): void => { socket.destroy() }
  let timer = setTimeout(destroy, limitMs)
  socket.once('close', () => { clearTimeout(timer) })
  socket.removeAllListeners('data')
  socket.resume()
  socket.end(() => {
    if (socket.readableEnded) {
      destroy()
      return
    }
    clearTimeout(timer)
    timer = setTimeout(destroy, Math.min(LINGER_MS, limitMs))
    socket.once('end', destroy)
  })
}
