import { ErrorCodes } from '../../../protocol/errors/codes.ts'
import { DecodeError } from '../../../protocol/errors/protocol-errors.ts'
import { FetchSnapshot } from '../../../protocol/messages/fetch-snapshot.ts'
import type { ResponseOf } from '../../../protocol/schema/api.ts'
import { BrokerError, ShadowError } from '../../errors.ts'
import type { Controllers } from '../controllers.ts'
import { METADATA_PARTITION, METADATA_TOPIC } from '../metadata-topic.ts'
import { LogReader } from './log-reader.ts'

export interface SnapshotId {
  /** The first offset after what the snapshot holds. */
  readonly endOffset: bigint
  readonly epoch: number
}

const PIECE_BYTES = 4 * 1024 * 1024
const DEADLINE_MS = 5000

/**
 * Reads a snapshot of the metadata log, piece by piece, into an image of its own (KIP-630). Every controller makes its own
 * snapshots: when another one becomes active meanwhile, the pieces do not fit together any more.
 * @throws {DecodeError} when it is not what its size and place say
 * @throws {ShadowError} CONFLICT (retriable): ask for the snapshot's id anew. BrokerError SNAPSHOT_NOT_FOUND and others; as Controllers.request
 */
export async function loadSnapshot (controllers: Controllers, id: SnapshotId, { signal }: { readonly signal: AbortSignal }): Promise<LogReader> {
  const reader = new LogReader()
  let rest: Buffer = Buffer.alloc(0)
  let position = 0
  let size = -1
  let epoch = -1
  while (size < 0 || position < size) {
    const { body, controller } = await controllers.request(FetchSnapshot, (_version, { epoch: currentLeaderEpoch }) => ({
      maxBytes: PIECE_BYTES,
      topics: [{ name: METADATA_TOPIC, partitions: [{ partition: METADATA_PARTITION, currentLeaderEpoch, snapshotId: { endOffset: id.endOffset, epoch: id.epoch }, position: BigInt(position) }] }]
    }), { signal, purpose: 'metadata', idempotent: true, deadlineMs: DEADLINE_MS, errorCodeOf })
    const errorCode = errorCodeOf(body)
    const piece = body.topics[0]?.partitions[0]
    if (errorCode !== ErrorCodes.NONE || piece === undefined) throw new BrokerError(errorCode, `FetchSnapshot ${nameOf(id)}`)
    if (epoch === -1) epoch = controller.epoch
    else if (epoch !== controller.epoch) throw new ShadowError('CONFLICT', `another controller became active while snapshot ${nameOf(id)} was read`, { retriable: true })
    if (size === -1) size = Number(piece.size)
    const { unalignedRecords } = piece
    if (Number(piece.size) !== size || Number(piece.position) !== position || unalignedRecords.length === 0 || position + unalignedRecords.length > size) {
      throw new DecodeError(`${unalignedRecords.length} bytes at ${piece.position} of ${piece.size} for snapshot ${nameOf(id)}, which was asked for from ${position} of ${size}`)
    }
    position += unalignedRecords.length
    rest = reader.readSnapshot(rest.length === 0 ? unalignedRecords : Buffer.concat([rest, unalignedRecords]))
  }
  if (rest.length > 0) throw new DecodeError(`snapshot ${nameOf(id)} ends within a batch`)
  reader.finishSnapshot({ endOffset: Number(id.endOffset), epoch: id.epoch })
  return reader
}

function errorCodeOf (body: ResponseOf<typeof FetchSnapshot>): number {
  return body.errorCode === ErrorCodes.NONE ? body.topics[0]?.partitions[0]?.errorCode ?? ErrorCodes.UNKNOWN_SERVER_ERROR : body.errorCode
}

function nameOf ({ endOffset, epoch }: SnapshotId): string {
  return `${endOffset}-${epoch}`
}
