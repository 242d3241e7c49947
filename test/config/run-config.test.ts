import { test } from 'tap'
import { ConfigError } from '../../src/config/config-error.ts'
import { SEALED_PLACEHOLDER } from '../../src/config/secret.ts'
import { isLoopback, parseRunYaml, RUN_DEFAULTS } from '../../src/config/run-config.ts'

const MINIMAL = 'shadow_cluster: { bootstrap_servers: [shadow-1:9092] }\n'
const LINK = '{ name: a, client_options: { bootstrap_servers: [source:9092] } }'

function refusalOf (text: string): string[] {
  try {
    parseRunYaml(text, 'run.yaml')
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
  return []
}

test('only the shadow cluster must be named; everything listens at this machine alone', async t => {
  t.strictSame(parseRunYaml(MINIMAL, 'run.yaml'), {
    shadowCluster: { bootstrapServers: [{ host: 'shadow-1', port: 9092 }], connectionTimeoutMs: 5000, schemaRegistry: null },
    engine: { enabled: true, maxBufferedBytes: RUN_DEFAULTS.maxBufferedBytes, sessionTimeoutMs: 6000, appendConnections: 1 },
    shadowLeader: null,
    secrets: { keyFile: null },
    sidecar: {
      enabled: true,
      listenHost: '127.0.0.1',
      advertisedHost: '127.0.0.1',
      bootstrapPort: 19092,
      nodeIds: [{ first: 0, last: 15 }],
      maxFrameBytes: RUN_DEFAULTS.maxFrameBytes,
      staleAfterMs: 15_000,
      drainTimeoutMs: 10_000
    },
    admin: { enabled: true, listen: { host: '127.0.0.1', port: 9644 }, advertised: { host: '127.0.0.1', port: 9644 }, allowRemote: false },
    links: [],
    logLevel: 'info'
  })
  t.strictSame(parseRunYaml(`${MINIMAL}engine:\nsecrets:\nsidecar:\nadmin:\nlinks:\n`, 'run.yaml'), parseRunYaml(MINIMAL, 'run.yaml'), 'a key without a value is as good as none')
})

test('every key is read', async t => {
  const config = parseRunYaml(`
shadow_cluster: { bootstrap_servers: [shadow-1:9092, shadow-2:9092], connection_timeout_ms: 100 }
engine: { enabled: true, max_buffered_bytes: 1048576, session_timeout: 1s, append_connections: 16 }
shadow_leader: { listen: "0.0.0.0:19095", advertised: engine.example:80, broker_ids: 3000, controllers: [c-1:9093], inter_broker_listener: INTERNAL, follower_timeout: "0" }
secrets: { key_file: /etc/kshadow/secret.key }
sidecar: { listen_host: 0.0.0.0, advertised_host: proxy.example, bootstrap_port: 0, node_ids: "1-3,100", max_frame_bytes: 1048576, stale_after: 1s, drain_timeout: "0" }
admin: { listen: "[::]:0", advertised: admin.example:80, allow_remote: true }
links: [${LINK}]
log_level: debug
`, 'run.yaml')
  t.strictSame(config.shadowCluster, { bootstrapServers: [{ host: 'shadow-1', port: 9092 }, { host: 'shadow-2', port: 9092 }], connectionTimeoutMs: 100, schemaRegistry: null })
  t.strictSame(config.engine, { enabled: true, maxBufferedBytes: 1048576, sessionTimeoutMs: 1000, appendConnections: 16 })
  t.strictSame(config.shadowLeader, {
    listen: { host: '0.0.0.0', port: 19095 },
    advertised: { host: 'engine.example', port: 80 },
    brokerIds: [{ first: 3000, last: 3000 }],
    controllers: [{ host: 'c-1', port: 9093 }],
    interBrokerListener: 'INTERNAL',
    followerTimeoutMs: 0
  })
  t.strictSame(config.secrets, { keyFile: '/etc/kshadow/secret.key' })
  t.strictSame(config.sidecar, {
    enabled: true,
    listenHost: '0.0.0.0',
    advertisedHost: 'proxy.example',
    bootstrapPort: 0,
    nodeIds: [{ first: 1, last: 3 }, { first: 100, last: 100 }],
    maxFrameBytes: 1048576,
    staleAfterMs: 1000,
    drainTimeoutMs: 0
  })
  t.strictSame(config.admin, { enabled: true, listen: { host: '::', port: 0 }, advertised: { host: 'admin.example', port: 80 }, allowRemote: true })
  t.strictSame(config.links.map(link => link.name), ['a'])
  t.equal(config.logLevel, 'debug')
  t.strictSame(parseRunYaml(`${MINIMAL}sidecar: { node_ids: 7 }`, 'run.yaml').sidecar.nodeIds, [{ first: 7, last: 7 }])
})

test('what is wrong is refused with its key, line, value and what was expected', async t => {
  const nodeIds = 'expected ids and ranges that do not overlap, such as "0-15" or "1-3,100"'
  const loopback = 'expected a loopback address such as 127.0.0.1: the admin port has no authentication. To listen there all the same, set allow_remote: true'
  const refused: Array<[string, ...string[]]> = [
    ['{}', ':1: shadow_cluster: expected shadow_cluster with bootstrap_servers'],
    ['shadow_cluster: {}', ':1: shadow_cluster.bootstrap_servers: expected a list of host:port'],
    ['5', ':1: 5: expected a map with shadow_cluster'],
    [`${MINIMAL}colour: red`, ':2: colour: unknown key'],
    [`${MINIMAL}engine: on`, ':2: engine: "on": expected a map'],
    [`${MINIMAL}engine: { session_timeout: 999ms }`, ':2: engine.session_timeout: "999ms": expected a duration such as 30s, from 1s to 5m'],
    [`${MINIMAL}engine: { max_buffered_bytes: 5 }`, ':2: engine.max_buffered_bytes: 5: expected a whole number from 1048576 to 2147483647'],
    [`${MINIMAL}engine: { append_connections: 17 }`, ':2: engine.append_connections: 17: expected a whole number from 1 to 16'],
    [`${MINIMAL}secrets: { key_file: 0123456789abcdef }`, ':2: secrets.key_file: <redacted>: expected the whole path of a file, from / on'],
    [`${MINIMAL}secrets: /etc/kshadow/secret.key`, ':2: secrets: <redacted>: expected a map with key_file'],
    [`${MINIMAL}engine: { enabled: false }\nsecrets: { key_file: /k }`, ':3: secrets.key_file: <redacted>: expected none: the engine is what seals and opens secrets, and engine.enabled is false'],
    [`${MINIMAL}sidecar: { node_ids: 3-1 }`, `:2: sidecar.node_ids: "3-1": ${nodeIds}`],
    [`${MINIMAL}sidecar: { node_ids: 0-1000 }`, ':2: sidecar.node_ids: "0-1000": expected at most 1000 ids: each has a port of its own'],
    [`${MINIMAL}sidecar: { node_ids: [1] }`, ':2: sidecar.node_ids: a list: expected ids and ranges such as "0-15" or "1-3,100"'],
    [`${MINIMAL}sidecar: { bootstrap_port: 65520 }`, ':2: sidecar.bootstrap_port: 65520: expected a port that leaves room for 16 broker ports after it'],
    [`${MINIMAL}sidecar: { bootstrap_port: 65536 }`, ':2: sidecar.bootstrap_port: 65536: expected a whole number from 0 to 65535'],
    [`${MINIMAL}sidecar: { listen_host: 0.0.0.0 }`, ':2: sidecar.advertised_host: expected the address that clients reach this host at, because listen_host is 0.0.0.0'],
    [`${MINIMAL}sidecar: { listen_host: "::" }`, ':2: sidecar.advertised_host: expected the address that clients reach this host at, because listen_host is ::'],
    [`${MINIMAL}sidecar: { advertised_host: "a b" }`, ':2: sidecar.advertised_host: "a b": expected a host name or address'],
    [`${MINIMAL}sidecar: { advertised_host: "a:1" }`, ':2: sidecar.advertised_host: "a:1": expected a host name or address'],
    [`${MINIMAL}admin: { listen: 9644 }`, ':2: admin.listen: 9644: expected host:port to listen at, such as 127.0.0.1:9644'],
    [`${MINIMAL}admin: { listen: "10.0.0.1:9644" }`, `:2: admin.listen: "10.0.0.1:9644": ${loopback}`],
    [`${MINIMAL}admin: { listen: "admin.example:9644" }`, `:2: admin.listen: "admin.example:9644": ${loopback}`],
    [`${MINIMAL}admin: { listen: "0.0.0.0:9644" }`, `:2: admin.listen: "0.0.0.0:9644": ${loopback}`, ':2: admin.advertised: expected the host:port that others reach this admin port at, because it listens at 0.0.0.0'],
    [`${MINIMAL}admin: { listen: "127.0.0.1:19092" }`, ':2: admin.listen: "127.0.0.1:19092": expected a port that the sidecar does not listen at'],
    [`${MINIMAL}admin: { listen: "127.0.0.1:19108" }`, ':2: admin.listen: "127.0.0.1:19108": expected a port that the sidecar does not listen at'],
    [`${MINIMAL}engine: { enabled: false }\nsidecar: { enabled: false }`, ':3: sidecar.enabled: false: expected the engine or the sidecar to be enabled: there is nothing to run'],
    [`${MINIMAL}engine: { enabled: false }\nlinks: [${LINK}]`, ':3: links: a list: expected none: the engine creates links, and engine.enabled is false'],
    [`${MINIMAL}links:\n  - ${LINK}\n  - ${LINK}`, ':4: links[1].name: "a": expected a name that no other link has'],
    [`${MINIMAL}links: [{ name: b }]`, ':2: links[0].client_options: expected client_options with bootstrap_servers'],
    [`${MINIMAL}links: a`, ':2: links: "a": expected a list of links'],
    [`${MINIMAL}log_level: loud`, ':2: log_level: "loud": expected trace, debug, info, warn or error'],
    ['shadow_cluster: { bootstrap_servers: [a:1], authentication_configuration: { password: hunter2 } }', ':1: shadow_cluster.authentication_configuration: a map: authentication to the shadow cluster is not part of this version; leave the key out']
  ]
  for (const [text, ...lines] of refused) t.strictSame(refusalOf(text), lines.map(line => `run.yaml${line}`), text)
})

test('links may have secrets themselves where there is a key file, and never a placeholder', async t => {
  const links = (password: string): string => `links:\n  - name: a\n    client_options: { bootstrap_servers: ["source:9092"] }\n    schema_registry_sync_options:\n      shadow_schema_registry_api:\n        source_url: https://r\n        auth_options:\n          basic:\n            username: me\n            password: ${password}\n`
  const key = 'run.yaml:11: links[0].schema_registry_sync_options.shadow_schema_registry_api.auth_options.basic.password: <redacted>: expected $'
  for (const [more, password, expected] of [
    ['', 'hunter2', 'set secrets.key_file in the file of kshadow run'],
    ['secrets: { key_file: /k }\n', `"${SEALED_PLACEHOLDER}"`, 'stands for the secret that the link has here, and a link that is new has none: give the secret'],
    ['secrets: { key_file: /k }\n', `"${SEALED_PLACEHOLDER.slice(0, -1)}:v1:01234567:AAAA}"`, 'What was sealed opens only where it is']
  ] as const) {
    const [line = '', ...others] = refusalOf(`${MINIMAL}${more}${links(password)}`)
    t.ok(line.endsWith(expected), line)
    t.match(line, /password: <redacted>: /)
    t.notMatch(line, /hunter2/)
    t.same(others, [])
  }
  t.ok(refusalOf(`${MINIMAL}${links('hunter2')}`)[0]?.startsWith(key))
  t.same(refusalOf(`${MINIMAL}secrets: { key_file: /k }\n${links('hunter2')}`), [])
})

test('a port beside the sidecar\'s is the admin port\'s to take', async t => {
  for (const listen of ['127.0.0.1:19091', '127.0.0.1:19109', '127.0.0.1:0', '127.0.0.2:19092']) t.same(refusalOf(`${MINIMAL}admin: { listen: "${listen}" }`), [], listen)
  t.same(refusalOf(`${MINIMAL}sidecar: { enabled: false }\nadmin: { listen: "127.0.0.1:19092" }`), [])
})

test('loopback is what only this machine reaches', async t => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1']) t.ok(isLoopback(host), host)
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.example.org', '128.0.0.1', 'localhost.example.org']) t.notOk(isLoopback(host), host)
})
