/**
 * The coordinator of transactions.
 *
 *   Empty ──▶ Ongoing ──▶ PrepareCommit ──▶ CompleteCommit ──┐
 *                │  ▲                                       ├──▶ Ongoing, with the next partitions or offsets
 *                │  └───────────────────────────────────────┤
 *                └──▶ PrepareAbort ───▶ CompleteAbort ───────┘
 *
 * The Prepare states last only while markers are written; a restart finds them when the process ended just then, and goes on.
 * A transaction that is Ongoing at a restart is aborted, as after its timeout, and its producer is fenced.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import type { RecordBatch } from '../../../protocol/records/record-batch.ts'
import { writeFileAtomic } from '../atomic-file.ts'
import type { CommittedOffsets, OffsetCommitRow } from '../groups/committed-offsets.ts'
import type { ProducerIds } from '../producer-ids.ts'
import type { Topics } from '../topics/topics.ts'
import { transactionMarker } from './transaction-marker.ts'

export type TransactionState = 'Empty' | 'Ongoing' | 'PrepareCommit' | 'PrepareAbort' | 'CompleteCommit' | 'CompleteAbort'

export interface ProducerIdentity {
  readonly producerId: number
  readonly producerEpoch: number
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface Transaction extends ProducerIdentity {
  readonly transactionalId: string
  readonly state: TransactionState
  readonly timeoutMs: number
  /** Milliseconds since 1970, -1 when none is open. */
  readonly startedAtMs: number
  readonly partitions: readonly TopicPartition[]
  readonly groupIds: readonly string[]
}

interface MutableTransaction extends Transaction {
  producerId: number
  producerEpoch: number
  state: TransactionState
  timeoutMs: number
  startedAtMs: number
  partitions: TopicPartition[]
  groupIds: string[]
  timer: NodeJS.Timeout | null
}

export interface TransactionsOptions {
  readonly dataDir: string | null
  readonly topics: Topics
  readonly offsets: CommittedOffsets
  readonly producerIds: ProducerIds
  readonly now: () => number
}

const FILE = 'transactions.json'
const MAX_TIMEOUT_MS = 900_000
const MAX_EPOCH = 0x7fff - 1

const savedTransactions = z.array(z.object({
  transactionalId: z.string(),
  producerId: z.int(),
  producerEpoch: z.int(),
  state: z.enum(['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort']),
  timeoutMs: z.int(),
  startedAtMs: z.int(),
  partitions: z.array(z.object({ topic: z.string(), partition: z.int() })),
  groupIds: z.array(z.string()),
  /** What is to be committed with the transaction, once it has come to that. */
  offsets: z.array(z.object({ groupId: z.string(), topic: z.string(), partition: z.int(), offset: z.int(), leaderEpoch: z.int(), metadata: z.string() }))
}))

export class Transactions {
  readonly #path: string | null
  readonly #options: TransactionsOptions
  readonly #transactions = new Map<string, MutableTransaction>()

  constructor (options: TransactionsOptions) {
    this.#options = options
    this.#path = options.dataDir === null ? null : join(options.dataDir, FILE)
    if (this.#path !== null) this.#restore(this.#path)
  }

  get all (): readonly Transaction[] {
    return [...this.#transactions.values()]
  }

  get (transactionalId: string): Transaction | null {
    return this.#transactions.get(transactionalId) ?? null
  }

  /** Gives the producer its id and the next epoch, and aborts what an earlier one of the same name left open. */
  init (transactionalId: string, { timeoutMs, expected }: { readonly timeoutMs: number, readonly expected: ProducerIdentity | null }): ProducerIdentity | { readonly errorCode: number } {
    if (transactionalId === '') return { errorCode: ErrorCodes.INVALID_REQUEST }
    if (timeoutMs <= 0 || timeoutMs > MAX_TIMEOUT_MS) return { errorCode: ErrorCodes.INVALID_TRANSACTION_TIMEOUT }
    const known = this.#transactions.get(transactionalId)
    if (known === undefined) {
      const producerId = this.#options.producerIds.take()
      this.#transactions.set(transactionalId, { transactionalId, producerId, producerEpoch: 0, state: 'Empty', timeoutMs, startedAtMs: -1, partitions: [], groupIds: [], timer: null })
      this.#save()
      return { producerId, producerEpoch: 0 }
    }
    if (expected !== null && (expected.producerId !== known.producerId || expected.producerEpoch !== known.producerEpoch)) {
      // The answer to the same request may have been lost.
      if (expected.producerId === known.producerId && expected.producerEpoch === known.producerEpoch - 1 && known.state === 'Empty') return known
      return { errorCode: ErrorCodes.PRODUCER_FENCED }
    }
    if (known.state === 'Ongoing') this.#abortAndFence(known)
    else this.#nextEpoch(known)
    known.timeoutMs = timeoutMs
    known.state = 'Empty'
    this.#save()
    return { producerId: known.producerId, producerEpoch: known.producerEpoch }
  }

  addPartitions (transactionalId: string, producer: ProducerIdentity, partitions: readonly TopicPartition[]): number {
    const found = this.#find(transactionalId, producer)
    if (typeof found === 'number') return found
    const added = partitions.filter(({ topic, partition }) => !includes(found.partitions, { topic, partition }))
    this.#begin(found)
    found.partitions = [...found.partitions, ...added]
    this.#save()
    return ErrorCodes.NONE
  }

  addGroup (transactionalId: string, producer: ProducerIdentity, groupId: string): number {
    const found = this.#find(transactionalId, producer)
    if (typeof found === 'number') return found
    this.#begin(found)
    if (!found.groupIds.includes(groupId)) found.groupIds = [...found.groupIds, groupId]
    this.#save()
    return ErrorCodes.NONE
  }

  commitOffsets (transactionalId: string, producer: ProducerIdentity, groupId: string, rows: readonly OffsetCommitRow[]): number {
    const found = this.#find(transactionalId, producer)
    if (typeof found === 'number') return found
    if (found.state !== 'Ongoing' || !found.groupIds.includes(groupId)) return ErrorCodes.INVALID_TXN_STATE
    this.#options.offsets.commitPending(found.producerId, groupId, rows)
    return ErrorCodes.NONE
  }

  /** Whether a transactional batch belongs to a transaction that is open in this partition (KIP-890). */
  checkAppend (transactionalId: string, batch: RecordBatch, where: TopicPartition): number {
    const found = this.#find(transactionalId, batch)
    if (found === ErrorCodes.PRODUCER_FENCED) return ErrorCodes.INVALID_PRODUCER_EPOCH
    if (typeof found === 'number') return found
    return found.state === 'Ongoing' && includes(found.partitions, where) ? ErrorCodes.NONE : ErrorCodes.INVALID_TXN_STATE
  }

  end (transactionalId: string, producer: ProducerIdentity, isCommitted: boolean): number {
    const found = this.#find(transactionalId, producer)
    if (typeof found === 'number') return found
    // The answer to the same request may have been lost.
    if (found.state === (isCommitted ? 'CompleteCommit' : 'CompleteAbort')) return ErrorCodes.NONE
    if (found.state !== 'Ongoing') return ErrorCodes.INVALID_TXN_STATE
    this.#end(found, isCommitted)
    return ErrorCodes.NONE
  }

  close (): void {
    for (const { timer } of this.#transactions.values()) if (timer !== null) clearTimeout(timer)
  }

  #find (transactionalId: string, { producerId, producerEpoch }: ProducerIdentity): MutableTransaction | number {
    const found = this.#transactions.get(transactionalId)
    if (found?.producerId !== producerId) return ErrorCodes.INVALID_PRODUCER_ID_MAPPING
    return found.producerEpoch === producerEpoch ? found : ErrorCodes.PRODUCER_FENCED
  }

  #begin (transaction: MutableTransaction): void {
    if (transaction.state === 'Ongoing') return
    transaction.state = 'Ongoing'
    transaction.startedAtMs = this.#options.now()
    transaction.timer = setTimeout(() => this.#abortAndFence(transaction), transaction.timeoutMs)
  }

  #abortAndFence (transaction: MutableTransaction): void {
    const { producerId } = transaction
    this.#nextEpoch(transaction)
    // With a new producer id, the old one's transaction is the one that ends.
    this.#end(transaction, false, producerId)
  }

  #nextEpoch (transaction: MutableTransaction): void {
    if (transaction.producerEpoch < MAX_EPOCH) {
      transaction.producerEpoch++
      return
    }
    transaction.producerId = this.#options.producerIds.take()
    transaction.producerEpoch = 0
  }

  #end (transaction: MutableTransaction, isCommitted: boolean, producerId = transaction.producerId): void {
    transaction.state = isCommitted ? 'PrepareCommit' : 'PrepareAbort'
    this.#save()
    const producerEpoch = producerId === transaction.producerId ? transaction.producerEpoch : MAX_EPOCH + 1
    for (const { topic, partition } of transaction.partitions) {
      const log = this.#options.topics.partition(topic, partition)
      // A topic may have been deleted meanwhile; and what has its marker already needs no other.
      if (log === null || !hasOpenTransaction(log.producers, producerId)) continue
      log.append(transactionMarker({ producerId, producerEpoch, isCommitted, timestamp: this.#options.now() }))
    }
    this.#options.offsets.endTransaction(producerId, isCommitted)
    this.#complete(transaction, isCommitted)
  }

  #complete (transaction: MutableTransaction, isCommitted: boolean): void {
    if (transaction.timer !== null) clearTimeout(transaction.timer)
    transaction.timer = null
    transaction.state = isCommitted ? 'CompleteCommit' : 'CompleteAbort'
    transaction.startedAtMs = -1
    transaction.partitions = []
    transaction.groupIds = []
    this.#save()
  }

  #save (): void {
    if (this.#path === null) return
    const all = [...this.#transactions.values()].map(({ timer, ...saved }) => ({ ...saved, offsets: this.#options.offsets.pendingOf(saved.producerId) }))
    writeFileAtomic(this.#path, JSON.stringify(all, null, 2))
  }

  #restore (path: string): void {
    for (const { offsets, ...saved } of readSaved(path)) {
      const transaction: MutableTransaction = { ...saved, timer: null }
      this.#transactions.set(saved.transactionalId, transaction)
      if (saved.state === 'PrepareCommit') for (const { groupId, ...row } of offsets) this.#options.offsets.commitPending(saved.producerId, groupId, [row])
    }
    for (const transaction of this.#transactions.values()) {
      if (transaction.state === 'Ongoing') this.#abortAndFence(transaction)
      else if (transaction.state === 'PrepareCommit' || transaction.state === 'PrepareAbort') this.#end(transaction, transaction.state === 'PrepareCommit')
    }
  }
}

function hasOpenTransaction (producers: Iterable<{ readonly producerId: number, readonly transactionStart: number | null }>, producerId: number): boolean {
  for (const producer of producers) if (producer.producerId === producerId) return producer.transactionStart !== null
  return false
}

function includes (partitions: readonly TopicPartition[], { topic, partition }: TopicPartition): boolean {
  return partitions.some(other => other.topic === topic && other.partition === partition)
}

function readSaved (path: string): z.infer<typeof savedTransactions> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // A new data folder.
    return []
  }
  return savedTransactions.parse(JSON.parse(text))
}
