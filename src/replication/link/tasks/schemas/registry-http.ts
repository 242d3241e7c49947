/**
 * HTTP to one schema registry. Node's own http and https, not fetch: a certificate authority and a client certificate belong to one
 * registry only, which global fetch cannot do without a new dependency, and nothing here ever follows a redirect: the credentials
 * are for the host that somebody wrote down.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest, type AgentOptions } from 'node:https'
import { REGISTRY_SECRETS, type RegistryEndpoint } from '../../../../config/link/registry-endpoint.ts'
import { resolveText } from '../../../../config/secret.ts'
import type { SecretLookup } from '../../../../config/secrets/link-secrets.ts'
import { isRetriable, messageOf, ShadowError } from '../../../../errors.ts'
import { abortedWithin, throwIfAborted } from '../../../../net/abort.ts'
import { backoffMs } from '../../../../net/backoff.ts'
import type { RateClock, RequestRate } from './request-rate.ts'

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'
const ACCEPT = `${CONTENT_TYPE}, application/json`
const REQUEST_MS = 15_000
const MAX_ANSWER_BYTES = 32 * 1024 * 1024
const MAX_MESSAGE_CHARACTERS = 300
const ATTEMPTS = 3
const RETRY = { baseMs: 200, maxMs: 3000 }
/** However long a registry says that it wants to be left alone. */
const MOST_RETRY_AFTER_MS = 10_000
const CONNECTIONS = 2

export type HttpMethod = 'GET' | 'PUT' | 'POST' | 'DELETE'

export interface RegistryHttpOptions {
  /** `source` or `shadow`, for messages. */
  readonly side: 'source' | 'shadow'
  readonly rate: RequestRate | null
  readonly clock: RateClock
  /** Where secrets may be sealed. */
  readonly secrets?: SecretLookup
  readonly timeoutMs?: number
  readonly maxAnswerBytes?: number
}

export interface RegistryQuestion {
  readonly method: HttpMethod
  /** From the registry's URL on; its parts are encoded. */
  readonly path: string
  readonly body?: unknown
}

/** What a registry answered with an error status, or that it did not answer. */
export class RegistryError extends ShadowError {
  /** Null where no answer came. */
  readonly status: number | null
  /** The registry's own code, such as 40401; null where it gave none. */
  readonly errorCode: number | null

  constructor (message: string, { status, errorCode, retriable, cause }: { readonly status: number | null, readonly errorCode: number | null, readonly retriable: boolean, readonly cause?: unknown }) {
    super('REGISTRY_ERROR', message, { retriable, details: { status, errorCode }, ...(cause === undefined ? {} : { cause }) })
    this.status = status
    this.errorCode = errorCode
  }
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly location: string | null
  readonly retryAfterMs: number | null
}

export class RegistryHttp {
  readonly #url: URL
  readonly #endpoint: RegistryEndpoint
  readonly #options: RegistryHttpOptions
  #agent: HttpAgent | HttpsAgent | null = null

  constructor (endpoint: RegistryEndpoint, options: RegistryHttpOptions) {
    this.#url = new URL(endpoint.url)
    this.#endpoint = endpoint
    this.#options = options
  }

  /** For messages: it has no secret in it. */
  get url (): string {
    return this.#endpoint.url
  }

  /**
   * The JSON that a registry answers with. What can be repeated without harm is, a few times; a POST is not: whether it was carried
   * out has to be read.
   * @throws {RegistryError}, retriable where a repetition may mend it
   * @throws {ShadowError} ABORTED; SETTING_NEEDED for a secret that the host does not have
   */
  async ask (question: RegistryQuestion, signal: AbortSignal): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      let waitMs: number | null = null
      try {
        await this.#options.rate?.take(signal)
        const answer = await this.#send(question, signal)
        if (answer.status >= 200 && answer.status < 300) return this.#json(answer, question)
        waitMs = answer.retryAfterMs
        throw this.#refusal(answer, question)
      } catch (error) {
        throwIfAborted(signal)
        if (attempt >= ATTEMPTS || question.method === 'POST' || !isRetriable(error)) throw error
      }
      await this.#options.clock.sleep(waitMs ?? backoffMs(attempt, RETRY), signal)
    }
  }

  close (): void {
    this.#agent?.destroy()
    this.#agent = null
  }

  async #send (question: RegistryQuestion, signal: AbortSignal): Promise<Answer> {
    const within = abortedWithin(signal, this.#options.timeoutMs ?? REQUEST_MS)
    const body = question.body === undefined ? null : Buffer.from(JSON.stringify(question.body))
    const options: RequestOptions = {
      method: question.method,
      agent: await this.#connections(),
      signal: within,
      headers: {
        accept: ACCEPT,
        ...(body === null ? {} : { 'content-type': CONTENT_TYPE, 'content-length': body.length }),
        ...await this.#authorization()
      }
    }
    try {
      return await exchange(new URL(`${this.#endpoint.url}${question.path}`), options, body, this.#options.maxAnswerBytes ?? MAX_ANSWER_BYTES)
    } catch (error) {
      throwIfAborted(signal)
      if (error instanceof RegistryError) throw error
      // Certificates may have been renewed: the next attempt reads them again.
      this.close()
      const why = within.aborted ? 'no answer came in time' : messageOf(error)
      throw new RegistryError(`${this.#what(question)}: ${why}`, { status: null, errorCode: null, retriable: true, cause: error })
    }
  }

  async #authorization (): Promise<Record<string, string>> {
    const { auth } = this.#endpoint
    if (auth === null) return {}
    const [username, password] = await Promise.all([resolveText(auth.username), this.#secret(auth.password, REGISTRY_SECRETS.password)])
    return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
  }

  async #secret (text: string, field: string): Promise<string> {
    return await (this.#options.secrets?.(text, field) ?? resolveText(text))
  }

  async #connections (): Promise<HttpAgent | HttpsAgent> {
    if (this.#agent !== null) return this.#agent
    const common: AgentOptions = { keepAlive: true, maxSockets: CONNECTIONS }
    if (this.#url.protocol === 'http:') return (this.#agent ??= new HttpAgent(common))
    const { tls } = this.#endpoint
    const resolved = async (name: 'ca' | 'cert' | 'key', look: (text: string) => Promise<string>): Promise<Partial<AgentOptions>> => {
      const text = tls?.[name] ?? null
      return text === null ? {} : { [name]: await look(text) }
    }
    const [ca, cert, key] = await Promise.all([resolved('ca', resolveText), resolved('cert', resolveText), resolved('key', text => this.#secret(text, REGISTRY_SECRETS.key))])
    this.#agent ??= new HttpsAgent({ ...common, ...ca, ...cert, ...key, ...(tls?.setsServerName === false ? { servername: '' } : {}) })
    return this.#agent
  }

  #json ({ text, status }: Answer, question: RegistryQuestion): unknown {
    try {
      return JSON.parse(text) as unknown
    } catch {
      throw new RegistryError(`${this.#what(question)}: answered ${status} with what is not JSON`, { status, errorCode: null, retriable: false })
    }
  }

  #refusal ({ status, text, location }: Answer, question: RegistryQuestion): RegistryError {
    const { errorCode, message } = refusalIn(text)
    const redirect = status >= 300 && status < 400
    const said = redirect ? `it redirects${location === null ? '' : ` to ${hostOf(location)}`}, and redirects are not followed: give the URL of the registry itself` : message
    return new RegistryError(`${this.#what(question)}: ${status}${errorCode === null ? '' : ` (${errorCode})`}${said === '' ? '' : ` ${said}`}`, {
      status, errorCode, retriable: status === 429 || status >= 500
    })
  }

  #what ({ method, path }: RegistryQuestion): string {
    return `${method} ${decodeURIComponent(path)} of the ${this.#options.side} registry`
  }
}

/** One request and its whole answer. */
function exchange (url: URL, options: RequestOptions, body: Buffer | null, maxBytes: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const request = send(url, options, response => {
      readAnswer(response, maxBytes).then(resolve, (error: unknown) => {
        request.destroy()
        reject(error instanceof Error ? error : new Error(messageOf(error)))
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

async function readAnswer (response: IncomingMessage, maxBytes: number): Promise<Answer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBytes) throw new RegistryError(`a registry answered with more than ${maxBytes} bytes`, { status: response.statusCode ?? null, errorCode: null, retriable: false })
    chunks.push(chunk)
  }
  if (!response.complete) throw new Error('the answer ended in the middle')
  const retryAfter = Number(response.headers['retry-after'])
  return {
    status: response.statusCode ?? 0,
    text: Buffer.concat(chunks).toString('utf8'),
    location: response.headers.location ?? null,
    retryAfterMs: Number.isFinite(retryAfter) ? Math.min(MOST_RETRY_AFTER_MS, retryAfter * 1000) : null
  }
}

/** What registries say of an error: `{"error_code": 40401, "message": "…"}`. */
function refusalIn (text: string): { readonly errorCode: number | null, readonly message: string } {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return { errorCode: null, message: '' }
  }
  if (typeof parsed !== 'object' || parsed === null) return { errorCode: null, message: '' }
  const code: unknown = 'error_code' in parsed ? parsed.error_code : null
  const message: unknown = 'message' in parsed ? parsed.message : ''
  return {
    errorCode: typeof code === 'number' ? code : null,
    message: typeof message === 'string' ? message.slice(0, MAX_MESSAGE_CHARACTERS) : ''
  }
}

function hostOf (location: string): string {
  return URL.canParse(location) ? new URL(location).host : 'another path'
}
