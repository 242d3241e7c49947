/**
 * SCRAM users: those of the link's users file. Kafka tells nobody a user's secret, not even in a form that another cluster could take
 * (DescribeUserScramCredentials has mechanism and iterations only), so the source cannot be asked.
 *
 * A credential is written when the shadow lacks it or shows other iterations, when the file has another secret than before, and once by every engine
 * that begins to lead, which cannot know. It uses the salt of the ledger then: of the same password it makes the same credential, and no login
 * that is under way fails.
 */
import { createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { alterScramCredentials, type ScramUpsertion } from '../../../../client/admin/alter-scram-credentials.ts'
import { describeScramCredentials } from '../../../../client/admin/describe-scram-credentials.ts'
import type { ScramMechanism } from '../../../../client/admin/scram-credential.ts'
import type { ScramSecret, ScramUser } from '../../../../config/link/users-file.ts'
import { ShadowError } from '../../../../errors.ts'
import { asked, explained } from './explain-refusal.ts'
import { grantId } from './grant-id.ts'
import type { MirroredKind, MirrorItem } from './mirror.ts'
import { readUsersFile } from './read-users-file.ts'
import type { SecurityHost } from './security-host.ts'

interface User extends MirrorItem {
  readonly user: string
  readonly mechanism: ScramMechanism
  /** Base64; empty for what the shadow has. */
  readonly salt: string
  readonly iterations: number
  /** Null for what the ledger and the shadow have. */
  readonly secret: ScramSecret | null
}

const HASHES = { 'SCRAM-SHA-256': { digest: 'sha256', bytes: 32 }, 'SCRAM-SHA-512': { digest: 'sha512', bytes: 64 } } as const
const SALT_BYTES = 24
const REFUSAL = {
  side: 'shadow', what: 'which SCRAM users it has', right: 'Alter on the cluster', without: 'leave security_sync_options.users_file out'
} as const

const deriveKey = promisify(pbkdf2)

/** `SaltedPassword` of RFC 5802. As Kafka does, the password is taken as it is (`ScramFormatter`), without SASLprep. */
export async function saltedPassword (password: string, { mechanism, salt, iterations }: { readonly mechanism: ScramMechanism, readonly salt: Buffer, readonly iterations: number }): Promise<Buffer> {
  const { digest, bytes } = HASHES[mechanism]
  return await deriveKey(Buffer.from(password, 'utf8'), salt, iterations, bytes, digest)
}

export function userMirror (host: SecurityHost, environment: Readonly<Record<string, string | undefined>>): MirroredKind<User> {
  const { shadow, ledger, signal } = host
  const processKey = randomBytes(32)
  /** What this engine has written, by id: prints of secrets that mean nothing outside this process. */
  const written = new Map<string, string>()
  const printOf = ({ secret, iterations }: User): string => {
    const text = secret === null ? '' : 'password' in secret ? `p${secret.password}` : `s${secret.salt.toString('base64')} ${secret.saltedPassword.toString('base64')}`
    return createHmac('sha256', processKey).update(`${iterations} ${text}`).digest('base64')
  }
  const toItem = ({ name, mechanism, iterations, secret }: ScramUser): User => {
    const id = idOf(name, mechanism)
    const item: User = { id, user: name, mechanism, iterations, secret, salt: 'password' in secret ? '' : secret.salt.toString('base64') }
    if (item.salt !== '') return item
    const recorded = ledger.get(id)
    const before = written.get(id)
    const isSame = before === undefined || before === printOf(item)
    const salt = isSame && recorded?.type === 'user' ? recorded.salt : randomBytes(SALT_BYTES).toString('base64')
    return { ...item, salt }
  }
  return {
    name: 'users',
    wanted: async () => {
      const { usersFile } = host.options()
      if (usersFile === null) throw new ShadowError('INVARIANT', 'there is no users file')
      const items = (await readUsersFile(usersFile, environment)).map(toItem)
      return { items: new Map(items.map(item => [item.id, item])), problems: [] }
    },
    present: async items => {
      const infos = await asked(REFUSAL, () => describeScramCredentials(shadow, items.map(({ user }) => user), { signal }))
      return new Map(infos.map(({ user, mechanism, iterations }): [string, User] => {
        const id = idOf(user, mechanism)
        return [id, { id, user, mechanism, iterations, salt: '', secret: null }]
      }))
    },
    recorded: () => ledger.of('user').map(({ id, user, mechanism, salt }) => ({ id, user, mechanism, salt, iterations: 0, secret: null })),
    grantOf: ({ user, mechanism, salt }) => ({ type: 'user', user, mechanism, salt }),
    isLevel: (wanted, present) => wanted.iterations === present.iterations && written.get(wanted.id) === printOf(wanted),
    set: async items => {
      const upsertions = await Promise.all(items.map(upsertionOf))
      const refused = await asked(REFUSAL, () => alterScramCredentials(shadow, { upsertions }, { signal }))
      for (const item of items) if (!refused.has(item.user)) written.set(item.id, printOf(item))
      return items.map(({ user }) => refused.get(user) ?? null)
    },
    remove: async items => {
      const refused = await asked(REFUSAL, () => alterScramCredentials(shadow, { deletions: items.map(({ user, mechanism }) => ({ user, mechanism })) }, { signal }))
      for (const { id, user } of items) if (!refused.has(user)) written.delete(id)
      return items.map(({ user }) => refused.get(user) ?? null)
    },
    rank: () => 0,
    waitsFor: () => false,
    isUnusual: () => false,
    isShared: () => false,
    format: ({ user, mechanism }) => `user ${user} (${mechanism})`,
    explain: error => explained(error, REFUSAL)
  }
}

function idOf (user: string, mechanism: ScramMechanism): string {
  return grantId('user', user, mechanism)
}

async function upsertionOf ({ user, mechanism, iterations, salt: text, secret }: User): Promise<ScramUpsertion> {
  if (secret === null) throw new ShadowError('INVARIANT', 'a user without a secret')
  const salt = Buffer.from(text, 'base64')
  const salted = 'password' in secret ? await saltedPassword(secret.password, { mechanism, salt, iterations }) : secret.saltedPassword
  return { user, mechanism, iterations, salt, saltedPassword: salted }
}
