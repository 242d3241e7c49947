/**
 * A schema registry in this process, as Confluent's documentation and the source of its registry have it: errors with their codes, modes,
 * contexts, references, soft and hard deletions, compatibility per subject, basic auth, TLS. It stands in for a real server, which cannot
 * be had from the package registries. It checks no schema and compares none for compatibility.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface StoredSchema {
  readonly subject: string
  readonly version: number
  readonly id: number
  readonly schemaType: string
  readonly schema: string
  readonly references: ReadonlyArray<{ readonly name: string, readonly subject: string, readonly version: number }>
  readonly extra: Readonly<Record<string, unknown>>
  deleted: boolean
}

export interface RegistryOptions {
  readonly basic?: { readonly username: string, readonly password: string }
  /** With `requestCert`, only clients with a certificate of `ca` are let in. */
  readonly tls?: { readonly key: string, readonly cert: string, readonly ca?: string, readonly requestCert?: boolean }
}

/** What a test has the registry do with a request instead of answering it. */
export type Fault = 'drop' | 'hang' | { readonly status: number, readonly body?: string, readonly headers?: Record<string, string> }

class Refusal extends Error {
  readonly status: number
  readonly errorCode: number

  constructor (errorCode: number, message: string) {
    super(message)
    this.errorCode = errorCode
    this.status = errorCode >= 1000 ? Math.floor(errorCode / 100) : errorCode
  }
}

export class SchemaRegistry {
  readonly url: string
  readonly schemas: StoredSchema[] = []
  /** By scope: null is the default context and the global one, `:.CONTEXT:` another, all else a subject. */
  readonly modes = new Map<string | null, string>()
  readonly levels = new Map<string | null, string>([[null, 'BACKWARD']])
  readonly settings = new Map<string | null, Record<string, unknown>>()
  readonly requests: string[] = []
  /** Asked before every request; null lets it pass. */
  onRequest: (line: string) => Fault | null = () => null
  /** What this server makes of a text that is registered. */
  rewrite: (schema: string) => string = schema => schema
  readonly #server: Server
  readonly #options: RegistryOptions

  private constructor (server: Server, options: RegistryOptions) {
    this.#server = server
    this.#options = options
    const { port } = server.address() as AddressInfo
    this.url = `${options.tls === undefined ? 'http' : 'https'}://localhost:${port}`
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response).catch(() => { request.socket.destroy() })
    })
  }

  static async start (options: RegistryOptions = {}): Promise<SchemaRegistry> {
    const server = options.tls === undefined ? createHttpServer() : createHttpsServer(options.tls)
    await new Promise<void>(resolve => { server.listen(0, 'localhost', resolve) })
    return new SchemaRegistry(server, options)
  }

  async stop (): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => { this.#server.close(() => { resolve() }) })
  }

  /** Registers as a client does in READWRITE. Returns the version. */
  add (subject: string, schema: string, { references = [], schemaType = 'AVRO', id, extra = {} }: { readonly references?: StoredSchema['references'], readonly schemaType?: string, readonly id?: number, readonly extra?: Record<string, unknown> } = {}): StoredSchema {
    const context = contextOf(subject)
    const same = this.schemas.find(known => contextOf(known.subject) === context && known.schema === schema)
    const ids = this.schemas.filter(known => contextOf(known.subject) === context).map(known => known.id)
    const version = Math.max(0, ...this.schemas.filter(known => known.subject === subject).map(known => known.version)) + 1
    const stored = { subject, version, id: id ?? same?.id ?? Math.max(0, ...ids) + 1, schemaType, schema, references, extra, deleted: false }
    this.schemas.push(stored)
    return stored
  }

  find (subject: string, version: number): StoredSchema | undefined {
    return this.schemas.find(known => known.subject === subject && known.version === version)
  }

  remove (subject: string, version?: number): void {
    for (let index = this.schemas.length - 1; index >= 0; index--) {
      const known = this.schemas[index]
      if (known?.subject === subject && (version === undefined || known.version === version)) this.schemas.splice(index, 1)
    }
  }

  /** Everything but what a server adds by itself, for comparisons. */
  contents (): Array<Omit<StoredSchema, 'extra'>> {
    return this.schemas.map(({ extra, ...rest }) => rest).sort((a, b) => a.subject < b.subject ? -1 : a.subject > b.subject ? 1 : a.version - b.version)
  }

  modeInScope (subject: string): string {
    const context = contextOf(subject)
    return this.modes.get(subject) ?? this.modes.get(context === '.' ? null : `:${context}:`) ?? 'READWRITE'
  }

  async #serve (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const url = new URL(request.url ?? '/', 'http://localhost')
    const line = `${request.method ?? ''} ${decodeURIComponent(url.pathname)}${url.search}`
    this.requests.push(line)
    const fault = this.onRequest(line)
    if (fault === 'hang') return
    if (fault === 'drop') {
      request.socket.destroy()
      return
    }
    const answer = (status: number, body: string, headers: Record<string, string> = {}): void => { response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json', ...headers }).end(body) }
    if (fault !== null) {
      answer(fault.status, fault.body ?? '', fault.headers)
      return
    }
    try {
      this.#authorize(request)
      const body = chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>
      answer(200, JSON.stringify(this.#answer(request.method ?? '', url, body)))
    } catch (error) {
      if (error instanceof Refusal) answer(error.status, JSON.stringify({ error_code: error.errorCode, message: error.message }))
      else answer(500, JSON.stringify({ error_code: 50001, message: String(error) }))
    }
  }

  #authorize (request: IncomingMessage): void {
    const { basic } = this.#options
    if (basic === undefined) return
    if (request.headers.authorization !== `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}`) throw new Refusal(401, 'Unauthorized')
  }

  #answer (method: string, url: URL, body: Record<string, unknown>): unknown {
    const parts = url.pathname.split('/').slice(1).map(decodeURIComponent)
    const [root, name = null, kind, number] = parts
    const has = (flag: string): boolean => url.searchParams.get(flag) === 'true'
    if (root === 'subjects' && name === null) return [...new Set(this.schemas.filter(known => has('deleted') || !known.deleted).map(known => known.subject))].sort()
    if (root === 'subjects' && name !== null && kind === 'versions') {
      if (number === undefined) return method === 'POST' ? this.#register(name, body) : this.#versions(name, has('deleted'))
      if (method === 'DELETE') return this.#delete(name, Number(number), has('permanent'))
      return this.#version(name, Number(number), has('deleted'))
    }
    if (root === 'schemas' && name === 'ids' && number === 'versions') return this.#uses(Number(kind), url.searchParams.get('subject'), has('deleted'))
    if (root === 'mode') return this.#mode(method, name, body, has('force'))
    if (root === 'config') return this.#config(method, name, body)
    throw new Refusal(404, `HTTP 404 Not Found: ${url.pathname}`)
  }

  #of (subject: string, deleted: boolean): StoredSchema[] {
    return this.schemas.filter(known => known.subject === subject && (deleted || !known.deleted)).sort((a, b) => a.version - b.version)
  }

  #versions (subject: string, deleted: boolean): number[] {
    const found = this.#of(subject, deleted)
    if (found.length === 0) throw new Refusal(40401, `Subject '${subject}' not found.`)
    return found.map(({ version }) => version)
  }

  #version (subject: string, version: number, deleted: boolean): unknown {
    if (this.#of(subject, deleted).length === 0) throw new Refusal(40401, `Subject '${subject}' not found.`)
    const found = this.#of(subject, deleted).find(known => known.version === version)
    if (found === undefined) throw new Refusal(40402, `Version ${version} not found.`)
    const { id, schemaType, schema, references, extra } = found
    return { subject, version, id, ...(schemaType === 'AVRO' ? {} : { schemaType }), ...(references.length === 0 ? {} : { references }), schema, ...extra }
  }

  #uses (id: number, scope: string | null, deleted: boolean): unknown {
    const context = scope === null ? '.' : contextOf(scope)
    const found = this.schemas.filter(known => known.id === id && contextOf(known.subject) === context && (deleted || !known.deleted))
    // Without a context Confluent's registry looks into the others, too.
    const others = scope === null && found.length === 0 ? this.schemas.filter(known => known.id === id) : found
    if (others.length === 0) throw new Refusal(40403, 'Schema not found')
    return others.map(({ subject, version }) => ({ subject, version }))
  }

  #register (subject: string, body: Record<string, unknown>): unknown {
    const mode = this.modeInScope(subject)
    const id = typeof body['id'] === 'number' ? body['id'] : -1
    if (mode === 'READONLY' || mode === 'READONLY_OVERRIDE') throw new Refusal(42205, `Subject ${subject} is in read-only mode`)
    if (id >= 0 && mode !== 'IMPORT') throw new Refusal(42205, `Subject ${subject} in context ${contextOf(subject)} is not in import mode`)
    if (id < 0 && mode !== 'READWRITE') throw new Refusal(42205, `Subject ${subject} in context ${contextOf(subject)} is not in read-write mode`)
    const schema = this.rewrite(String(body['schema']))
    const references = (body['references'] ?? []) as StoredSchema['references']
    for (const reference of references) {
      const referred = this.find(qualify(reference.subject, contextOf(subject)), reference.version)
      if (referred === undefined) throw new Refusal(42201, `Invalid schema: no schema reference found for subject "${reference.subject}" and version ${reference.version}`)
    }
    if (id < 0) return { id: this.add(subject, schema, { references }).id }
    const version = Number(body['version'])
    const schemaType = typeof body['schemaType'] === 'string' ? body['schemaType'] : 'AVRO'
    const taken = this.schemas.find(known => contextOf(known.subject) === contextOf(subject) && known.id === id)
    if (taken !== undefined && (taken.schema !== schema || taken.schemaType !== schemaType || JSON.stringify(taken.references) !== JSON.stringify(references))) {
      throw new Refusal(42205, `Overwrite new schema with id ${id} in context ${contextOf(subject)} is not permitted.`)
    }
    // Lower versions with the same id that are soft-deleted and not referred to are tombstoned.
    for (const known of this.#of(subject, true)) if (known.deleted && known.id === id && known.version < version && !this.#isReferenced(known, true)) this.remove(subject, known.version)
    this.remove(subject, version)
    this.schemas.push({ subject, version, id, schemaType, schema, references, extra: {}, deleted: false })
    return { id }
  }

  #isReferenced (target: StoredSchema, deleted: boolean): boolean {
    return this.schemas.some(known => (deleted || !known.deleted) && known.references.some(reference => qualify(reference.subject, contextOf(known.subject)) === target.subject && reference.version === target.version))
  }

  #delete (subject: string, version: number, permanent: boolean): number {
    if (this.modeInScope(subject).startsWith('READONLY')) throw new Refusal(42205, `Subject ${subject} is in read-only mode`)
    if (this.#of(subject, true).length === 0) throw new Refusal(40401, `Subject '${subject}' not found.`)
    const found = this.find(subject, version)
    if (found === undefined) throw new Refusal(40402, `Version ${version} not found.`)
    if (!permanent && found.deleted) throw new Refusal(40406, `Subject '${subject}' Version ${version} was soft deleted. Set permanent=true to delete permanently`)
    if (permanent && !found.deleted) throw new Refusal(40407, `Subject '${subject}' Version ${version} was not deleted first before being permanently deleted`)
    if (this.#isReferenced(found, permanent)) throw new Refusal(42206, `One or more references exist to the schema {${subject}, ${version}}`)
    if (!permanent) found.deleted = true
    else {
      this.remove(subject, version)
      if (this.#of(subject, true).length === 0) for (const settings of [this.modes, this.levels]) settings.delete(subject)
    }
    return version
  }

  #mode (method: string, scope: string | null, body: Record<string, unknown>, force: boolean): unknown {
    const mode = this.modes.get(scope)
    if (method === 'GET') {
      if (mode === undefined && scope !== null) throw new Refusal(40409, `Subject '${scope}' does not have subject-level mode configured`)
      return { mode: mode ?? 'READWRITE' }
    }
    const wanted = String(body['mode'])
    if (!['READWRITE', 'READONLY', 'READONLY_OVERRIDE', 'IMPORT'].includes(wanted)) throw new Refusal(42204, 'Invalid mode')
    if (wanted === 'IMPORT' && mode !== 'IMPORT' && !force) {
      const within = this.schemas.filter(known => scope === null ? contextOf(known.subject) === '.' : known.subject === scope || known.subject.startsWith(scope))
      if (within.some(known => !known.deleted)) throw new Refusal(42205, 'Cannot import since found existing subjects')
      for (const known of within) this.remove(known.subject, known.version)
    }
    this.modes.set(scope, wanted)
    return { mode: wanted }
  }

  #config (method: string, scope: string | null, body: Record<string, unknown>): unknown {
    const level = this.levels.get(scope)
    const extra = this.settings.get(scope) ?? {}
    if (method === 'PUT') {
      if (scope !== null && this.modeInScope(scope).startsWith('READONLY')) throw new Refusal(42205, `Subject ${scope} is in read-only mode`)
      this.levels.set(scope, String(body['compatibility']))
      return body
    }
    if (level === undefined && scope !== null) throw new Refusal(method === 'DELETE' ? 40401 : 40408, `Subject '${scope}' does not have subject-level compatibility configured`)
    if (method === 'DELETE') this.levels.delete(scope)
    return { compatibilityLevel: level, ...extra }
  }
}

function contextOf (subject: string): string {
  return /^:(\.[^:]*):/.exec(subject)?.[1] ?? '.'
}

function qualify (subject: string, context: string): string {
  const named = /^:\.:(.*)$/s.exec(subject)
  if (named !== null) return named[1] ?? ''
  return subject.startsWith(':') || context === '.' ? subject : `:${context}:${subject}`
}
