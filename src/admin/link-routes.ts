/** The routes under /v1/links, and /v1/check. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { parseValue } from '../config/document.ts'
import { flag } from '../config/fields.ts'
import { topicFilter } from '../config/link/name-filter.ts'
import { ShadowError } from '../errors.ts'
import type { LinkService, PauseSelection, TopicSelection } from '../replication/link-service.ts'
import { operatorOf } from './operator.ts'
import { problemOf, PROBLEM_TYPE, problem } from './problem.ts'
import { verifyLines } from './verify-stream.ts'

export interface LinkRoutesOptions {
  /** @throws {ShadowError} where there is no engine to ask in this process */
  readonly links: () => LinkService
  readonly leader: () => string | null
  readonly clusterId: () => string | null
  /** Ends what goes on for long. */
  readonly signal: AbortSignal
  readonly verifyQuietMs: number
}

/** Each reads a whole copy of what it compares, from both clusters. */
const MAX_VERIFICATIONS = 4

const BOOLEAN: Readonly<Record<string, unknown>> = { true: true, false: false, '': true }

/** A parameter such as `?force=true`; `?force` means the same. */
const booleanParameter = z.preprocess(value => typeof value === 'string' ? BOOLEAN[value] ?? value : value, flag(false))

const expectedTopic = 'expected the name of a topic'

const topicName = z.string({ error: expectedTopic }).min(1, { error: expectedTopic }).max(249, { error: expectedTopic })

const linkParameter = z.strictObject({ link: z.string() })
const topicParameters = z.object({ link: z.string(), topic: z.string() })
const noParameters = z.strictObject({})
const dryRunParameters = z.strictObject({ dry_run: booleanParameter })
const deleteParameters = z.strictObject({ force: booleanParameter })
const auditParameters = z.strictObject({ link: z.string({ error: 'expected the name of a link' }).optional() })
const verifyParameters = z.strictObject({ topic: topicName.optional() })
// Strict: a name that was misspelled must not mean the whole link.
const selectionFields = { topic: topicName.optional(), filters: z.array(topicFilter, { error: 'expected a list of filters' }).min(1, { error: 'expected a filter' }).optional() }
const expectedOne = (choices: string): { readonly error: string } => ({ error: `expected ${choices}, or {} for the whole link` })
const atMostOne = (body: Readonly<Record<string, unknown>>): boolean => Object.values(body).filter(value => value !== undefined).length <= 1
const topicsBody = z.strictObject(selectionFields, expectedOne('{"topic": "NAME"} or {"filters": […]}')).refine(atMostOne, expectedOne('either topic or filters'))
const pauseBody = z.strictObject({ ...selectionFields, task: z.string({ error: 'expected the name of a task' }).optional() }, expectedOne('{"topic": "NAME"}, {"filters": […]} or {"task": "NAME"}'))
  .refine(atMostOne, expectedOne('one of topic, filters and task'))

const retryBody = z.strictObject({}, { error: 'expected {}' })
// Said in words: it throws records away.
const expectedRestoration = { error: 'expected {"from": "common-prefix"} or {"from": "scratch"}' }
const restoreBody = z.discriminatedUnion('from', [
  z.strictObject({ from: z.literal('scratch') }, expectedRestoration),
  z.strictObject({
    from: z.literal('common-prefix'),
    keep: z.array(z.int({ error: 'expected an offset' }).min(0, { error: 'expected an offset' }), { error: 'expected a list of offsets, one for each partition' }).nullable().default(null)
  }, expectedRestoration)
], expectedRestoration)

export function addLinkRoutes (app: FastifyInstance, options: LinkRoutesOptions): void {
  app.get('/v1/links', async request => {
    query(request, noParameters)
    return await options.links().list()
  })

  app.get('/v1/links/:link', async request => {
    query(request, noParameters)
    return await options.links().status(linkOf(request))
  })

  app.post('/v1/links', async (request, reply) => {
    const { dry_run: dryRun } = query(request, dryRunParameters)
    const link = await options.links().create(request.body, { dryRun, by: operatorOf(request) })
    if (dryRun) return link
    return await reply.code(201).header('location', `/v1/links/${encodeURIComponent(link.name)}`).send(link)
  })

  app.put('/v1/links/:link', async request => {
    const { dry_run: dryRun } = query(request, dryRunParameters)
    return await options.links().update(linkOf(request), request.body, { dryRun, by: operatorOf(request) })
  })

  app.post('/v1/check', async request => {
    query(request, noParameters)
    return await options.links().check(request.body)
  })

  app.post('/v1/links/:link/failover', async (request, reply) => {
    query(request, noParameters)
    return await reply.code(202).send(await options.links().failover(linkOf(request), topicsOf(request), operatorOf(request)))
  })

  app.post('/v1/links/:link/promote', async (request, reply) => {
    query(request, noParameters)
    return await reply.code(202).send(await options.links().promote(linkOf(request), topicsOf(request), operatorOf(request)))
  })

  app.post('/v1/links/:link/pause', async request => {
    query(request, noParameters)
    return await options.links().pause(linkOf(request), pausedOf(request), operatorOf(request))
  })

  app.post('/v1/links/:link/resume', async request => {
    query(request, noParameters)
    return await options.links().resume(linkOf(request), pausedOf(request), operatorOf(request))
  })

  app.delete('/v1/links/:link/topics/:topic', async request => {
    query(request, noParameters)
    const { link, topic } = topicOf(request)
    return await options.links().removeTopic(link, topic, operatorOf(request))
  })

  app.post('/v1/links/:link/topics/:topic/retry', async request => {
    query(request, noParameters)
    parseValue(request.body, 'request', retryBody)
    const { link, topic } = topicOf(request)
    return await options.links().retryTopic(link, topic, operatorOf(request))
  })

  app.post('/v1/links/:link/topics/:topic/restore', async request => {
    query(request, noParameters)
    const restoration = parseValue(request.body, 'request', restoreBody)
    const { link, topic } = topicOf(request)
    return await options.links().restoreTopic(link, topic, restoration, operatorOf(request))
  })

  app.get('/v1/links/:link/topics/:topic/common-prefix', async request => {
    query(request, noParameters)
    const { link, topic } = topicOf(request)
    return await options.links().planRestore(link, topic)
  })

  app.delete('/v1/links/:link', async (request, reply) => {
    const { force } = query(request, deleteParameters)
    await options.links().delete(linkOf(request), { force, by: operatorOf(request) })
    return await reply.code(204).send()
  })

  app.get('/v1/audit', async request => {
    const { link } = query(request, auditParameters)
    return await options.links().audit(link ?? null)
  })

  let verifications = 0
  app.get('/v1/links/:link/verify', async (request, reply) => {
    const { topic } = query(request, verifyParameters)
    const links = options.links()
    const link = linkOf(request)
    // What can be refused is refused with a status, before the first line goes out with a 200.
    const status = await links.status(link)
    if (topic !== undefined && !status.topics.some(row => row.name === topic)) {
      throw new ShadowError('NOT_FOUND', `link ${link} has no topic ${topic}`)
    }
    if (verifications >= MAX_VERIFICATIONS) {
      return await reply.code(409).type(PROBLEM_TYPE)
        .send(problem('CONFLICT', `${verifications} verifications are running already, which is the most that may; wait for one to end`))
    }
    verifications++
    const gone = new AbortController()
    const signal = AbortSignal.any([gone.signal, options.signal])
    reply.raw.once('close', () => {
      verifications--
      gone.abort(new ShadowError('ABORTED', 'the client went away'))
    })
    return await sendLines(reply, verifyLines(links.verify(link, { topic: topic ?? null, signal }), {
      quietMs: options.verifyQuietMs,
      problemOf: error => problemOf(error, { requestId: request.id, leader: options.leader(), cluster: options.clusterId() })
    }))
  })
}

function linkOf (request: FastifyRequest): string {
  return linkParameter.parse(request.params).link
}

function topicOf (request: FastifyRequest): { readonly link: string, readonly topic: string } {
  return topicParameters.parse(request.params)
}

/** Null for the whole link. @throws {ConfigError} */
function topicsOf (request: FastifyRequest): TopicSelection {
  const { topic, filters } = parseValue(request.body, 'request', topicsBody)
  return topic ?? filters ?? null
}

/** Null for the whole link. @throws {ConfigError} */
function pausedOf (request: FastifyRequest): PauseSelection {
  const { topic, filters, task } = parseValue(request.body, 'request', pauseBody)
  return task === undefined ? topic ?? filters ?? null : { task }
}

/** @throws {ConfigError} naming the parameter */
function query<T> (request: FastifyRequest, schema: z.ZodType<T>): T {
  return parseValue(request.query, 'query', schema)
}

async function sendLines (reply: FastifyReply, lines: AsyncIterable<unknown>): Promise<FastifyReply> {
  const text = Readable.from((async function * () {
    for await (const line of lines) yield `${JSON.stringify(line)}\n`
  })(), { objectMode: false })
  return await reply.header('cache-control', 'no-store').type('application/x-ndjson').send(text)
}
