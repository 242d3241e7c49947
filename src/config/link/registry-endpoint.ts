/** Where a schema registry is, and who the engine is there. */
import { z } from 'zod'
import { flag } from '../fields.ts'
import { formatSecretReference, linkSecret, secretReference, textOrReference } from '../secret.ts'

export interface RegistryAuth {
  /** The name, or a reference to it (see secret.ts). */
  readonly username: string
  /** A reference; of a link also a secret that is sealed. */
  readonly password: string
}

export interface RegistryTls {
  /** PEM, or a reference to it; null for the certificate authorities of Node. */
  readonly ca: string | null
  readonly cert: string | null
  /** As the password. */
  readonly key: string | null
  /** False leaves the server name out of the handshake. */
  readonly setsServerName: boolean
  /** They were given as paths of files. */
  readonly areFiles: boolean
}

export interface RegistryEndpoint {
  readonly url: string
  readonly auth: RegistryAuth | null
  readonly tls: RegistryTls | null
}

/** Where its secrets are in a section that names a registry. */
export const REGISTRY_SECRETS = { password: 'auth_options.basic.password', key: 'tls_settings.tls_pem_settings.key' } as const

const EXPECTED_URL = 'expected the URL of a schema registry, such as https://registry:8081, without user, password or query'

export const registryUrl: z.ZodType<string> = z.string({ error: EXPECTED_URL }).refine(text => {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
}, { error: EXPECTED_URL }).transform(text => text.replace(/\/+$/, ''))

function registryAuth (secret: z.ZodType<string>): z.ZodType<RegistryAuth | null> {
  const basic = z.strictObject({ username: textOrReference, password: secret.refine(text => text !== '', { error: 'expected a password' }) }, { error: 'expected username and password' })
  return z.strictObject({ basic: basic.optional() }, { error: 'expected basic: {username, password}' }).optional().transform(auth => auth?.basic ?? null)
}

const absolutePath = z.string({ error: 'expected the path of a file' }).refine(path => path === '' || (path.startsWith('/') && !/[{}]/.test(path)), { error: 'expected the whole path of a file, from / on' }).default('')

const fileSettings = z.strictObject({ ca_path: absolutePath, key_path: absolutePath, cert_path: absolutePath }, { error: 'expected ca_path, key_path and cert_path' })

const asFile = (path: string): string => path === '' ? '' : formatSecretReference({ kind: 'file', path })
const orNull = (text: string): string | null => text === '' ? null : text

function registryTls (secret: z.ZodType<string>): z.ZodType<RegistryTls | null> {
  const pemSettings = z.strictObject({
    ca: textOrReference.or(z.literal('')).default(''),
    key: secret.default(''),
    cert: textOrReference.or(z.literal('')).default('')
  }, { error: 'expected ca, key and cert' })
  return z.strictObject({
    enabled: flag(true),
    do_not_set_sni_hostname: flag(false),
    tls_file_settings: fileSettings.optional(),
    tls_pem_settings: pemSettings.optional()
  }, { error: 'expected a map' }).optional().transform((tls, context): RegistryTls | null => {
    if (tls === undefined || !tls.enabled) return null
    const { tls_file_settings: files, tls_pem_settings: pem } = tls
    if (files !== undefined && pem !== undefined) context.addIssue({ code: 'custom', message: 'expected tls_file_settings or tls_pem_settings, not both' })
    const { ca, cert, key } = files === undefined
      ? pem ?? { ca: '', cert: '', key: '' }
      : { ca: asFile(files.ca_path), cert: asFile(files.cert_path), key: asFile(files.key_path) }
    if ((cert === '') !== (key === '')) context.addIssue({ code: 'custom', message: 'expected a certificate and its key, or neither' })
    return { ca: orNull(ca), cert: orNull(cert), key: orNull(key), setsServerName: !tls.do_not_set_sni_hostname, areFiles: files !== undefined }
  })
}

/** The keys of a link's section that names a registry; their secrets may be given as they are. */
export const linkRegistryAuth: z.ZodType<RegistryAuth | null> = registryAuth(linkSecret)
export const linkRegistryTls: z.ZodType<RegistryTls | null> = registryTls(linkSecret)

/** How they are stored: references stay references. */
export function registryAuthDocument (auth: RegistryAuth): Record<string, unknown> {
  return { basic: { username: auth.username, password: auth.password } }
}

export function registryTlsDocument (tls: RegistryTls): Record<string, unknown> {
  const path = (reference: string | null): string => reference?.replace(/^\$\{file:(.*)\}$/, '$1') ?? ''
  return {
    enabled: true,
    do_not_set_sni_hostname: !tls.setsServerName,
    ...(tls.areFiles
      ? { tls_file_settings: { ca_path: path(tls.ca), key_path: path(tls.key), cert_path: path(tls.cert) } }
      : { tls_pem_settings: { ca: tls.ca ?? '', key: tls.key ?? '', cert: tls.cert ?? '' } })
  }
}

/** A section of the file of `kshadow run` that names a registry: `url`, `auth_options`, `tls_settings`. */
export const registryEndpoint: z.ZodType<RegistryEndpoint> = z.strictObject({ url: registryUrl, auth_options: registryAuth(secretReference), tls_settings: registryTls(secretReference) }, { error: 'expected a map with url' })
  .transform(({ url, auth_options: auth, tls_settings: tls }): RegistryEndpoint => ({ url, auth, tls }))
