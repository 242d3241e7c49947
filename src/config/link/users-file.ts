/**
 * The file that `users_file` names: the SCRAM users that the shadow cluster is to have, because no cluster tells another its users' secrets.
 * No refusal repeats a value of the file: it is full of secrets, and may be another file than was meant.
 */
import { z } from 'zod'
import { ConfigError } from '../config-error.ts'
import { parseYaml } from '../document.ts'
import { integer } from '../fields.ts'

export interface ScramUser {
  readonly name: string
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  readonly iterations: number
  readonly secret: ScramSecret
}

/** A password, or what RFC 5802 makes of one. */
export type ScramSecret =
  | { readonly password: string }
  | { readonly salt: Buffer, readonly saltedPassword: Buffer }

/** Those of Kafka's `ScramMechanism`. */
const LEAST_ITERATIONS = 4096
const MOST_ITERATIONS = 16_384
const HASH_BYTES = { 'SCRAM-SHA-256': 32, 'SCRAM-SHA-512': 64 } as const

const VARIABLE = /^\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}$/

const passwordError = 'expected a password that is not empty, or $' + '{env:NAME}'
const base64 = z.string({ error: 'expected base64' }).regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, { error: 'expected base64' })
  .min(4, { error: 'expected base64' }).transform(text => Buffer.from(text, 'base64'))

type Environment = Readonly<Record<string, string | undefined>>

function schemaOf (environment: Environment): z.ZodType<ScramUser[]> {
  const user = z.strictObject({
    name: z.string({ error: 'expected the name of a user' }).min(1, { error: 'expected the name of a user' }).max(1024, { error: 'expected a name of at most 1024 characters' }),
    mechanism: z.enum(['SCRAM-SHA-256', 'SCRAM-SHA-512'], { error: 'expected SCRAM-SHA-256 or SCRAM-SHA-512' }),
    iterations: integer(LEAST_ITERATIONS, MOST_ITERATIONS).default(LEAST_ITERATIONS),
    password: z.string({ error: passwordError }).min(1, { error: passwordError }).optional(),
    salt: base64.optional(),
    salted_password: base64.optional()
  }, { error: 'expected a map with name, mechanism and password' }).transform(({ name, mechanism, iterations, password, salt, salted_password: saltedPassword }, context): ScramUser => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message })
    if (password === undefined) {
      if (salt === undefined || saltedPassword === undefined) refuse('password', 'expected a password, or salt and salted_password')
      else if (saltedPassword.length !== HASH_BYTES[mechanism]) refuse('salted_password', `expected ${HASH_BYTES[mechanism]} bytes, as ${mechanism} makes them`)
      return { name, mechanism, iterations, secret: { salt: salt ?? Buffer.alloc(0), saltedPassword: saltedPassword ?? Buffer.alloc(0) } }
    }
    if (salt !== undefined || saltedPassword !== undefined) refuse('password', 'expected either a password, or salt and salted_password')
    const variable = VARIABLE.exec(password)?.[1]
    if (variable === undefined) return { name, mechanism, iterations, secret: { password } }
    const value = environment[variable] ?? ''
    if (value === '') refuse('password', `expected the engine to have an environment variable ${variable} that is not empty`)
    return { name, mechanism, iterations, secret: { password: value } }
  })
  return z.strictObject({ users: z.array(user, { error: 'expected a list of users' }) }, { error: 'expected a map with users' }).transform(({ users }, context) => {
    const seen = new Set<string>()
    users.forEach(({ name, mechanism }, index) => {
      const credential = JSON.stringify([name, mechanism])
      if (seen.has(credential)) context.addIssue({ code: 'custom', path: ['users', index, 'name'], message: 'this user has a credential of this mechanism already' })
      seen.add(credential)
    })
    return users
  })
}

/**
 * Reads YAML or JSON: `users`, each with `name`, `mechanism`, `iterations` (4096 to 16384, default 4096) and either `password` (the text, or
 * `${env:NAME}`) or `salt` and `salted_password` (base64).
 * @throws {ConfigError} with every problem, by key and line, and without any value
 */
export function parseUsersFile (text: string, source: string, environment: Environment): ScramUser[] {
  try {
    return parseYaml(text, source, schemaOf(environment))
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(source, error.problems.map(problem => ({ ...problem, key: knownKey(problem.key), value: null })))
    throw error
  }
}

/** An unknown key may be a password that lost its key. */
function knownKey (key: string): string {
  return key.split('.').map(part => /^(?:users(?:\[\d+\])?|\[\d+\]|name|mechanism|iterations|password|salt|salted_password)$/.test(part) ? part : '(a key)').join('.')
}
