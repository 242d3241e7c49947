/** What becomes of a request that cannot go to the broker as it is, and how the rows of an answer come together. */
import type { Api, RequestInput, RequestOf, ResponseInput, ResponseOf } from '../../protocol/schema/api.ts'
import type { Question } from './question.ts'
import type { ReadRules } from './read-rules.ts'
import type { WriteRules } from './write-rules.ts'

export type Verdict<A extends Api> =
  /** Every row is refused: this is the answer, and the broker hears nothing of it. */
  | Answer<A>
  /** Some rows are refused: the broker gets the rest, and the client one answer. */
  | Split<A>
  /** Nothing is refused, but the broker would answer something else: it is asked other questions, and the client gets one answer. */
  | Ask<A>
  /** The broker gets this in its place; what it answers is the client's. */
  | Amend<A>

export interface Amend<A extends Api> {
  readonly kind: 'amend'
  /** In the client's version. */
  readonly body: RequestInput<A>
}

export interface Answer<A extends Api> {
  readonly kind: 'answer'
  readonly body: ResponseInput<A>
}

export interface Split<A extends Api> {
  readonly kind: 'split'
  /** What the broker gets, usually one request; each in the client's version unless it says otherwise. */
  readonly requests: ReadonlyArray<{ readonly body: RequestInput<A>, readonly version?: number }>
  /** Makes the one answer from those to `requests`, in their order. */
  readonly merge: (answers: ReadonlyArray<ResponseOf<A>>) => ResponseInput<A>
}

export interface Ask<A extends Api> {
  readonly kind: 'ask'
  /** At least one. They go out at once, and are answered in this order. */
  readonly questions: readonly Question[]
  /** False when `next` may ask more: until then, nothing else of the client's goes to the broker, whose answers would come in between. */
  readonly isLast: boolean
  /** What comes of it, once all questions are answered. */
  readonly next: () => Answer<A> | Ask<A>
}

export interface JudgeContext {
  readonly rules: WriteRules
  readonly reads: ReadRules
  readonly version: number
}

/** Null when the request may go to the broker unchanged. */
export type Judge<A extends Api> = (body: RequestOf<A>, context: JudgeContext) => Verdict<A> | null

export interface RowSplit<A extends Api, Row, Out> {
  readonly rows: readonly Row[]
  keyOf (row: Row): string
  /** The answer to a row that is refused; null for one that is allowed. */
  refuse (row: Row): Out | null
  request (allowed: readonly Row[]): RequestInput<A>
  /** The answer when every row is refused. */
  answer (rows: readonly Out[]): ResponseInput<A>
  rowsOf (answer: ResponseOf<A>): readonly Out[]
  answeredKeyOf (row: Out): string
  merge (answer: ResponseOf<A>, rows: readonly Out[]): ResponseInput<A>
}

/** The verdict on a request that is a list of rows, each answered by one row. */
export function splitRows<A extends Api, Row, Out> (split: RowSplit<A, Row, Out>): Verdict<A> | null {
  const refused = split.rows.map(row => split.refuse(row))
  if (refused.every(row => row === null)) return null
  const allowed = split.rows.filter((_, index) => refused[index] === null)
  if (allowed.length === 0) return { kind: 'answer', body: split.answer(refused.filter(row => row !== null)) }
  return {
    kind: 'split',
    requests: [{ body: split.request(allowed) }],
    merge: ([answer]) => {
      if (answer === undefined) throw new TypeError('a request was sent and has no answer')
      const keyed = split.rows.map((row, index) => ({ key: split.keyOf(row), ours: refused[index] ?? null }))
      return split.merge(answer, inRequestOrder(keyed, split.rowsOf(answer), row => split.answeredKeyOf(row)))
    }
  }
}

/**
 * The rows of an answer in the order of the request. `ours` are the rows that are answered here; the broker's are found by
 * their key, because a broker answers in an order of its own. What it left out stays out, and what nobody asked for comes last.
 */
export function inRequestOrder<Out> (
  rows: ReadonlyArray<{ readonly key: string, readonly ours: Out | null }>, theirs: readonly Out[], keyOf: (row: Out) => string
): Out[] {
  const answered = new Map<string, Out[]>()
  for (const row of theirs) {
    const same = answered.get(keyOf(row))
    if (same === undefined) answered.set(keyOf(row), [row])
    else same.push(row)
  }
  const merged: Out[] = []
  for (const { key, ours } of rows) {
    if (ours !== null) {
      merged.push(ours)
      continue
    }
    // One by one: a call has not as many arguments as an answer may have rows.
    for (const row of answered.get(key) ?? []) merged.push(row)
    answered.delete(key)
  }
  for (const left of answered.values()) for (const row of left) merged.push(row)
  return merged
}
