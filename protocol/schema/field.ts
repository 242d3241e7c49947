/**
 * The words in which messages are declared. A declaration covers all versions of a message and is plain data: it is compared
 * mechanically with Kafka's own specifications (test/conformance), specialised into code per version (compiler.ts), and walked
 * by whoever needs to know what a field means.
 */
import { parseVersionRange, type VersionRange, type VersionText } from './version-range.ts'

export type PrimitiveType =
  | 'bool' | 'int8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'float64' | 'uuid' | 'string' | 'bytes' | 'records'

/** What a name or number stands for, in the words of Kafka's specifications (`entityType`), and `host` for an address. */
export type Entity =
  | 'topicName' | 'topicId' | 'brokerId' | 'groupId' | 'producerId' | 'transactionalId' | 'host'

interface CommonSpec {
  readonly versions: VersionRange
  /** Versions in which null is allowed. */
  readonly nullable: VersionRange
  readonly tag: number | null
  /** Versions in which the field is a tagged field. */
  readonly tagged: VersionRange
  /** True when a value may be dropped without harm where the version lacks the field. */
  readonly ignorable: boolean
  /** Undefined: the zero of the type. */
  readonly default: unknown
  readonly entity: Entity | null
}

export interface PrimitiveSpec extends CommonSpec {
  readonly type: PrimitiveType
}

export interface StructSpec extends CommonSpec {
  readonly type: 'struct'
  readonly fields: Fields
}

export interface ArraySpec extends CommonSpec {
  readonly type: 'array'
  /** What the elements of a primitive type stand for is in `entity`. */
  readonly element: PrimitiveType | Fields
}

export type FieldSpec = PrimitiveSpec | StructSpec | ArraySpec

/** A field that decodes to `Value`, encodes from `Input`, and may be left out when encoding if `Optional`. Only the spec exists at run time. */
export type Field<Value = unknown, Input = unknown, Optional extends boolean = boolean> = FieldSpec & {
  readonly phantom?: readonly [Value, Input, Optional]
}

export type Fields = Readonly<Record<string, Field>>

export interface FieldOptions<T> {
  readonly nullable?: VersionText
  readonly default?: T | null
  readonly ignorable?: true
  readonly tag?: number
  readonly tagged?: VersionText
  readonly entity?: Entity
}

type OrNull<T, O> = O extends { readonly nullable: VersionText } ? T | null : T
type IsOptional<O> = O extends { readonly default: unknown } | { readonly tag: number } ? true : false

function common (versions: VersionText, options: FieldOptions<unknown>): CommonSpec {
  return {
    versions: parseVersionRange(versions),
    nullable: parseVersionRange(options.nullable ?? 'none'),
    tag: options.tag ?? null,
    tagged: parseVersionRange(options.tagged ?? (options.tag === undefined ? 'none' : versions)),
    ignorable: options.ignorable ?? false,
    default: options.default,
    entity: options.entity ?? null
  }
}

type PrimitiveField<T> = <const O extends FieldOptions<T> = FieldOptions<T>>(versions?: VersionText, options?: O) => Field<OrNull<T, O>, OrNull<T, O>, IsOptional<O>>

function primitive<T> (type: PrimitiveType): PrimitiveField<T> {
  return (versions = '0+', options) => ({ ...common(versions, options ?? {}), type })
}

export const bool = primitive<boolean>('bool')
export const int8 = primitive<number>('int8')
export const int16 = primitive<number>('int16')
export const uint16 = primitive<number>('uint16')
export const int32 = primitive<number>('int32')
export const uint32 = primitive<number>('uint32')
export const int64 = primitive<bigint>('int64')
export const float64 = primitive<number>('float64')
/** The uuid that stands for none. */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** In Kafka's text form: URL-safe base64, 22 characters. */
export const uuid = primitive<string>('uuid')
export const string = primitive<string>('string')
export const bytes = primitive<Buffer>('bytes')
/** Record batches as a slice of the frame; nobody looks inside here. */
export const records = primitive<Buffer>('records')

/** A struct in place. */
export function struct<const F extends Fields, const O extends FieldOptions<never> = FieldOptions<never>> (
  fields: F, versions: VersionText = '0+', options?: O
): Field<OrNull<ValueOf<F>, O>, OrNull<InputOf<F>, O>, IsOptional<O>> {
  return { ...common(versions, options ?? {}), type: 'struct', fields }
}

type ArrayElement = Field | Fields
type ElementValue<E> = E extends Field<infer V> ? V : E extends Fields ? ValueOf<E> : never
type ElementInput<E> = E extends Field<unknown, infer I> ? I : E extends Fields ? InputOf<E> : never

/** An array of structs, given by their fields, or of a primitive type, given by a field of that type. */
export function array<const E extends ArrayElement, const O extends FieldOptions<readonly never[]> = FieldOptions<readonly never[]>> (
  element: E, versions: VersionText = '0+', options?: O
): Field<OrNull<ReadonlyArray<ElementValue<E>>, O>, OrNull<ReadonlyArray<ElementInput<E>>, O>, IsOptional<O>> {
  return { ...common(versions, options ?? {}), type: 'array', element: elementOf(element) }
}

function elementOf (element: ArrayElement): PrimitiveType | Fields {
  if (!isField(element)) return element
  if (element.type === 'array' || element.type === 'struct') throw new TypeError('an array of structs is declared by the fields of the struct')
  return element.type
}

function isField (element: ArrayElement): element is Field {
  return typeof element['type'] === 'string'
}

/** What a struct with these fields decodes to. Fields that the version lacks have their default. */
export type ValueOf<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer V> ? V : never
} & {
  /** Tagged fields that the declaration does not know. */
  readonly unknownTags: ReadonlyArray<{ readonly tag: number, readonly data: Buffer }>
}

type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends Field<unknown, unknown, infer O> ? (O extends true ? K : never) : never }[keyof F]

/** What a struct with these fields is encoded from. A field with a default may be left out. */
export type InputOf<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: F[K] extends Field<unknown, infer I> ? I : never
} & {
  readonly [K in OptionalKeys<F>]?: (F[K] extends Field<unknown, infer I> ? I : never) | undefined
} & {
  readonly unknownTags?: ReadonlyArray<{ readonly tag: number, readonly data: Buffer }>
}
