/**
 * Turns the declaration of a message into straight-line code for one version. Measured against alternatives in
 * bench/protocol: compiled code runs at the speed of hand-written code, an interpreted declaration at less than half of it.
 *
 * The generated source consists of our own declarations only, never of anything that came over a network.
 * test/support/interpreter.ts is an independent, slow reading of the same declarations; tests hold the two together.
 */
import { arrayOf, type Reader } from '../buffer/reader.ts'
import { Writer } from '../buffer/writer.ts'
import { EncodeError } from '../errors/protocol-errors.ts'
import type { Message } from './api.ts'
import { defaultSource, isDefaultSource } from './defaults.ts'
import type { FieldSpec, Fields, InputOf, PrimitiveType, ValueOf } from './field.ts'
import { includesVersion } from './version-range.ts'

export interface Codec<Value, Input> {
  /** @throws {DecodeError} and nothing else, whatever the bytes are. */
  read (reader: Reader): Value
  /** @throws {EncodeError} when a value does not fit its type, or the version cannot carry it. */
  write (writer: Writer, value: Input): void
}

/** What the generated code refers to as `k`. */
const CONSTANTS = {
  Writer,
  arrayOf,
  none: Object.freeze([]),
  noBytes: Buffer.alloc(0),
  refuseNull (field: string): never {
    throw new EncodeError(`${field} is null or missing, and must not be`)
  },
  unsupported (message: string, version: number, field: string): never {
    throw new EncodeError(`${message} v${version} cannot carry ${field}`)
  }
}

/** Compiles the code that reads and writes `message` at `version`. The types hold by construction: the source is made from the declaration that they are inferred from. */
export function compile<F extends Fields> (message: Message<F>, version: number): Codec<ValueOf<F>, InputOf<F>> {
  return {
    read: evaluate(readerSource(message, version)) as Codec<ValueOf<F>, InputOf<F>>['read'],
    write: evaluate(writerSource(message, version)) as Codec<ValueOf<F>, InputOf<F>>['write']
  }
}

/** The source that `compile` runs, for debugging and for the curious. */
export function readerSource (message: Message, version: number): string {
  return new ReaderEmitter(message, version).source()
}

export function writerSource (message: Message, version: number): string {
  return new WriterEmitter(message, version).source()
}

/** The one place where source becomes code. */
function evaluate (source: string): unknown {
  // eslint-disable-next-line no-new-func, @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  return new Function('k', source)(CONSTANTS)
}

class Emitter {
  /** Of the function that is being emitted. */
  lines: string[] = []
  /** The functions that stand before it. */
  readonly head: string[] = []
  readonly message: Message
  readonly version: number
  readonly flexible: boolean
  #indent = 1
  #structs = 0

  constructor (message: Message, version: number) {
    this.message = message
    this.version = version
    this.flexible = includesVersion(message.flexible, version)
  }

  line (text: string): void {
    this.lines.push('  '.repeat(this.#indent) + text)
  }

  block (head: string, body: () => void): void {
    this.line(`${head} {`)
    this.#indent++
    body()
    this.#indent--
    this.line('}')
  }

  /** Keeps the variables of one struct apart from those of every other in the same function. */
  nextSuffix (): string {
    return `$${this.#structs++}`
  }

  wrap (head: string): string {
    return [
      '\'use strict\'',
      ...this.head,
      `return function ${head} {`,
      ...this.lines,
      '}',
      `//# sourceURL=kafka/${this.message.name}.v${this.version}.${head.slice(0, head.indexOf(' '))}.js`
    ].join('\n')
  }

  has (field: FieldSpec): boolean {
    return includesVersion(field.versions, this.version)
  }

  isNullable (field: FieldSpec): boolean {
    return includesVersion(field.nullable, this.version)
  }

  isTagged (field: FieldSpec): boolean {
    return this.has(field) && includesVersion(field.tagged, this.version)
  }

  /** The name of the Reader and Writer method for a primitive type of variable length, such as `compactNullableString`. */
  method (type: PrimitiveType, nullable: boolean): string {
    const base = type === 'records' ? 'bytes' : type
    if (base !== 'string' && base !== 'bytes') return base
    const words = [this.flexible ? 'compact' : '', nullable ? 'nullable' : '', base].filter(word => word !== '')
    return words.map((word, index) => index === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1)).join('')
  }

  /** The known tagged fields of a struct in this version, in the order of their tags. */
  taggedFields (fields: Fields): Array<[string, FieldSpec]> {
    return Object.entries(fields).filter(([, field]) => this.isTagged(field)).sort(([, a], [, b]) => Number(a.tag) - Number(b.tag))
  }
}

/** How a DataView reads a type of fixed size: by which method, and how many bytes. */
const VIEW_READS: Readonly<Partial<Record<FieldSpec['type'], readonly [method: string, bytes: number]>>> = {
  bool: ['getInt8', 1], int8: ['getInt8', 1], int16: ['getInt16', 2], uint16: ['getUint16', 2], int32: ['getInt32', 4], uint32: ['getUint32', 4], int64: ['getBigInt64', 8], float64: ['getFloat64', 8]
}

class ReaderEmitter extends Emitter {
  source (): string {
    this.line('const view = r.view')
    const value = this.struct(this.message.fields)
    this.line(`return ${value}`)
    return this.wrap('read (r)')
  }

  /** Emits the reading of a struct, and returns the expression of the object it makes. */
  private struct (fields: Fields): string {
    const suffix = this.nextSuffix()
    const names: string[] = []
    const values: string[] = []
    let run = new Map<string, FieldSpec>()
    const endRun = (): void => {
      this.numbers(run)
      run = new Map()
    }
    for (const [name, field] of Object.entries(fields)) {
      const variable = name + suffix
      names.push(name)
      values.push(variable)
      if (!this.has(field) || this.isTagged(field)) this.line(`let ${variable} = ${defaultSource(field)}`)
      else if (field.type in VIEW_READS) run.set(variable, field)
      else {
        endRun()
        this.value(field, variable, 'const ')
      }
    }
    endRun()
    names.push('unknownTags')
    values.push(this.tags(fields, suffix))
    return `new ${this.constructorOf(names, suffix)}(${values.join(', ')})`
  }

  /** Emits the constructor of a struct, and returns its name. Not a literal, for the reason that `arrayOf` gives. What it makes is a plain object. */
  private constructorOf (names: readonly string[], suffix: string): string {
    const name = `Struct${suffix}`
    this.head.push(
      `function ${name} (${names.map(member => member + suffix).join(', ')}) {`,
      ...names.map(member => `  this.${member} = ${member}${suffix}`),
      '}',
      `${name}.prototype = Object.prototype`
    )
    return name
  }

  /** Emits the reading of numbers that follow each other: one check for all of them, and no call for each. */
  private numbers (run: ReadonlyMap<string, FieldSpec>): void {
    const [first] = run.keys()
    if (first === undefined) return
    const start = `${first}At`
    let size = 0
    const reads: string[] = []
    for (const [variable, { type }] of run) {
      const [method, bytes] = VIEW_READS[type] ?? []
      reads.push(`const ${variable} = view.${method}(${start} + ${size})${type === 'bool' ? ' !== 0' : ''}`)
      size += bytes ?? NaN
    }
    this.line(`const ${start} = r.need(${size}, '${[...run.values()].map(({ type }) => type).join(', ')}')`)
    for (const read of reads) this.line(read)
  }

  /** Emits the reading of one present field into `variable`, which is declared here if `declare` says how. */
  private value (field: FieldSpec, variable: string, declare: 'const ' | '' = ''): void {
    if (field.type === 'struct') {
      if (!this.isNullable(field)) {
        this.line(`${declare}${variable} = ${this.struct(field.fields)}`)
        return
      }
      if (declare !== '') this.line(`let ${variable}`)
      this.block('if (r.structPresent())', () => {
        this.line(`${variable} = ${this.struct(field.fields)}`)
      })
      this.line(`else ${variable} = null`)
    } else if (field.type === 'array') this.array(field.element, this.isNullable(field), variable, declare)
    else this.line(`${declare}${variable} = r.${this.method(field.type, this.isNullable(field))}()`)
  }

  private array (element: PrimitiveType | Fields, nullable: boolean, variable: string, declare: string): void {
    if (element === 'int32' && !nullable) {
      this.line(`${declare}${variable} = r.${this.flexible ? 'compactInt32Array' : 'int32Array'}()`)
      return
    }
    const method = [this.flexible ? 'compact' : '', nullable ? (this.flexible ? 'Nullable' : 'nullable') : '', this.flexible || nullable ? 'ArrayLength' : 'arrayLength'].join('')
    const count = `${variable}Count`
    this.line(`const ${count} = r.${method}(${minElementBytes(element, this)})`)
    this.line(`${declare}${variable} = ${nullable ? `${count} < 0 ? null : k.arrayOf()` : 'k.arrayOf()'}`)
    this.block(`for (let index = 0; index < ${count}; index++)`, () => {
      if (typeof element === 'string') this.line(`${variable}.push(r.${this.method(element, false)}())`)
      else this.line(`${variable}.push(${this.elementFunction(element)}(r))`)
    })
  }

  /** Emits a function that reads one element, and returns its name. V8 inlines only so much into one function: with all of a message in one, the innermost loop got nothing. */
  private elementFunction (fields: Fields): string {
    const outer = this.lines
    this.lines = []
    const name = `element${this.nextSuffix()}`
    this.line('const view = r.view')
    const value = this.struct(fields)
    this.line(`return ${value}`)
    this.head.push(`function ${name} (r) {`, ...this.lines, '}')
    this.lines = outer
    return name
  }

  /** Emits the tagged fields of a struct, and returns the expression of those that are unknown. */
  private tags (fields: Fields, suffix: string): string {
    if (!this.flexible) return 'k.none'
    const unknown = `unknownTags${suffix}`
    const known = this.taggedFields(fields)
    if (known.length === 0) {
      this.line(`const ${unknown} = r.unknownTags()`)
      return unknown
    }
    this.line(`let ${unknown} = k.none`)
    this.line(`const tagCount${suffix} = r.tagCount()`)
    this.block(`for (let index = 0, tag${suffix} = -1; index < tagCount${suffix}; index++)`, () => {
      this.line(`tag${suffix} = r.tagAfter(tag${suffix})`)
      this.line(`const end${suffix} = r.tagEnd()`)
      known.forEach(([name, field], position) => {
        this.block(`${position === 0 ? '' : 'else '}if (tag${suffix} === ${field.tag})`, () => {
          this.value(field, name + suffix)
        })
      })
      this.block('else', () => {
        this.line(`if (${unknown}.length === 0) ${unknown} = []`)
        this.line(`${unknown}.push({ tag: tag${suffix}, data: r.slice(end${suffix} - r.offset) })`)
      })
      this.line(`if (r.offset !== end${suffix}) r.fail('a tagged field has another size than it says')`)
    })
    return unknown
  }
}

class WriterEmitter extends Emitter {
  source (): string {
    this.struct(this.message.fields, 'v', 'w')
    return this.wrap('write (w, v)')
  }

  private struct (fields: Fields, value: string, writer: string): void {
    const suffix = this.nextSuffix()
    for (const [name, field] of Object.entries(fields)) {
      const member = `${value}.${name}`
      if (!this.has(field)) {
        if (!field.ignorable) this.line(`if (!${isDefaultSource(field, member)}) k.unsupported('${this.message.name}', ${this.version}, '${name}')`)
      } else if (!this.isTagged(field)) this.value(field, name, member, writer, suffix)
    }
    this.tags(fields, value, writer, suffix)
  }

  /** Emits the writing of one field that the version has. */
  private value (field: FieldSpec, name: string, member: string, writer: string, suffix: string): void {
    const variable = name + suffix
    this.line(`const ${variable} = ${member}${field.default === undefined ? '' : ` === undefined ? ${defaultSource(field)} : ${member}`}`)
    const nullable = this.isNullable(field)
    if (field.type !== 'struct' && field.type !== 'array') {
      this.line(`${writer}.${this.method(field.type, nullable)}(${variable})`)
      return
    }
    const content = (): void => {
      if (field.type === 'struct') this.struct(field.fields, variable, writer)
      else this.array(field.element, variable, writer)
    }
    if (!nullable) {
      this.line(`if (${variable} === null || ${variable} === undefined) k.refuseNull('${name}')`)
      content()
      return
    }
    this.block(`if (${variable} === null)`, () => {
      this.line(field.type === 'struct' ? `${writer}.structPresent(false)` : `${writer}.${this.lengthMethod()}(-1)`)
    })
    this.block('else', () => {
      if (field.type === 'struct') this.line(`${writer}.structPresent(true)`)
      content()
    })
  }

  private array (element: PrimitiveType | Fields, variable: string, writer: string): void {
    this.line(`${writer}.${this.lengthMethod()}(${variable}.length)`)
    const item = `${variable}Item`
    this.block(`for (const ${item} of ${variable})`, () => {
      if (typeof element === 'string') this.line(`${writer}.${this.method(element, false)}(${item})`)
      else this.struct(element, item, writer)
    })
  }

  private lengthMethod (): string {
    return this.flexible ? 'compactArrayLength' : 'arrayLength'
  }

  private tags (fields: Fields, value: string, writer: string, suffix: string): void {
    const unknown = `${value}.unknownTags`
    if (!this.flexible) {
      this.line(`if (${unknown} !== undefined && ${unknown}.length !== 0) k.unsupported('${this.message.name}', ${this.version}, 'unknown tags')`)
      return
    }
    const known = this.taggedFields(fields)
    if (known.length === 0) {
      this.line(`${writer}.tags(k.none, ${unknown} === undefined ? k.none : ${unknown})`)
      return
    }
    this.line(`const known${suffix} = []`)
    for (const [name, field] of known) {
      this.block(`if (!${isDefaultSource(field, `${value}.${name}`)})`, () => {
        this.line(`const content${suffix} = new k.Writer(64)`)
        this.value(field, name, `${value}.${name}`, `content${suffix}`, suffix)
        this.line(`known${suffix}.push({ tag: ${field.tag}, content: content${suffix} })`)
      })
    }
    this.line(`${writer}.tags(known${suffix}, ${unknown} === undefined ? k.none : ${unknown})`)
  }
}

const FIXED_BYTES: Readonly<Partial<Record<PrimitiveType, number>>> = {
  bool: 1, int8: 1, int16: 2, uint16: 2, int32: 4, uint32: 4, int64: 8, float64: 8, uuid: 16
}

/** The least that one element can take on the wire. */
function minElementBytes (element: PrimitiveType | Fields, emitter: Emitter): number {
  if (typeof element === 'string') return minPrimitiveBytes(element, emitter.flexible)
  return Math.max(1, minStructBytes(element, emitter))
}

function minStructBytes (fields: Fields, emitter: Emitter): number {
  let sum = emitter.flexible ? 1 : 0
  for (const field of Object.values(fields)) {
    if (!emitter.has(field) || emitter.isTagged(field)) continue
    if (field.type === 'struct') sum += emitter.isNullable(field) ? 1 : minStructBytes(field.fields, emitter)
    else if (field.type === 'array') sum += emitter.flexible ? 1 : 4
    else sum += minPrimitiveBytes(field.type, emitter.flexible)
  }
  return sum
}

function minPrimitiveBytes (type: PrimitiveType, flexible: boolean): number {
  return FIXED_BYTES[type] ?? (flexible ? 1 : type === 'string' ? 2 : 4)
}
