/** Hands out producer ids, each once in the life of the cluster. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from './atomic-file.ts'

const FILE = 'next-producer-id'

/** As many are set aside by one write, as in Kafka: those that are not handed out before the end of the process are lost. */
const BLOCK_SIZE = 1000

export class ProducerIds {
  readonly #path: string | null
  #next: number
  #blockEnd: number

  constructor (dataDir: string | null) {
    this.#path = dataDir === null ? null : join(dataDir, FILE)
    this.#next = this.#path === null ? 0 : readNext(this.#path)
    this.#blockEnd = this.#next
  }

  take (): number {
    if (this.#next === this.#blockEnd) {
      this.#blockEnd += BLOCK_SIZE
      if (this.#path !== null) writeFileAtomic(this.#path, String(this.#blockEnd))
    }
    return this.#next++
  }
}

function readNext (path: string): number {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // A new data folder.
    return 0
  }
  const next = Number(text)
  if (text === '' || !Number.isSafeInteger(next)) throw new RangeError(`${path} holds no producer id: ${text}`)
  return next
}
