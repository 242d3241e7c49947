import { test } from 'tap'
import { linkDocument, parseLinkDocument, parseLinkYaml, shadowsTopic, type LinkConfig } from '../../src/config/link-config.ts'
import { parseRunYaml } from '../../src/config/run-config.ts'
import { formatSecretReference } from '../../src/config/secret.ts'

const PASSWORD = formatSecretReference({ kind: 'env', name: 'PASSWORD' })
const file = (path: string): string => formatSecretReference({ kind: 'file', path })
const LINK = { name: 'dr', client_options: { bootstrap_servers: ['a:1'] } }

function parse (section: unknown): LinkConfig {
  return parseLinkDocument({ ...LINK, schema_registry_sync_options: section }, 'test')
}

test('the section of rpk is read, with its defaults, and stored as it was', async t => {
  t.equal(parse(undefined).schemaSync, null)
  t.same(parse({ shadow_schema_registry_topic: {} }).schemaSync, { mode: 'topic' })
  const plain = parse({ shadow_schema_registry_api: { source_url: 'https://registry:8081/', tail_interval: '0s', max_source_requests_per_second: 0 } })
  t.same(plain.schemaSync, {
    mode: 'api',
    api: {
      source: { url: 'https://registry:8081', auth: null, tls: null },
      tailIntervalMs: 10_000,
      fullIntervalMs: 300_000,
      maxRequestsPerSecond: 30,
      contexts: [],
      subjects: [],
      mappings: null,
      unsupportedFeatures: 'FAIL',
      paused: false
    }
  })
  const full = {
    source_url: 'https://registry:8081',
    auth_options: { basic: { username: 'me', password: PASSWORD } },
    tls_settings: { enabled: true, do_not_set_sni_hostname: false, tls_file_settings: { ca_path: '/ca.pem', key_path: '/key.pem', cert_path: '/cert.pem' } },
    tail_interval: '5s',
    full_sync_interval: '1m',
    max_source_requests_per_second: 7,
    source_filter: { contexts: ['.', '.a'], subjects: ['x-value'] },
    destination: { exact: { mappings: [{ source: '.', destination: '.b' }] } },
    unsupported_schema_feature_policy: 'REMOVE',
    paused: true
  }
  for (const section of [{ shadow_schema_registry_api: full }, { shadow_schema_registry_topic: {} }]) {
    const link = parse(section)
    t.same(linkDocument(link)['schema_registry_sync_options'], section)
    t.same(parseLinkDocument(linkDocument(link), 'test'), link)
  }
  const pem = { ...full, tls_settings: { enabled: true, do_not_set_sni_hostname: true, tls_pem_settings: { ca: '-----BEGIN', key: file('/key'), cert: file('/cert') } } }
  t.same(linkDocument(parse({ shadow_schema_registry_api: pem }))['schema_registry_sync_options'], { shadow_schema_registry_api: pem })
  t.notOk(Object.hasOwn(linkDocument(parse(undefined)), 'schema_registry_sync_options'))
})

test('what is wrong is said, and no secret is repeated', async t => {
  const api = (more: object): unknown => ({ shadow_schema_registry_api: { source_url: 'http://r', ...more } })
  const cases: ReadonlyArray<readonly [unknown, RegExp]> = [
    [{ shadow_schema_registry_topic: {}, shadow_schema_registry_api: { source_url: 'http://r' } }, /not both/],
    [{ shadow_schema_registry_api: {} }, /source_url: expected the URL/],
    [api({ source_url: 'http://me:hunter2@r' }), /source_url: "http:\/\/<redacted>@r": expected the URL of a schema registry, such as .* without user/],
    [api({ source_url: 'http://r?token=hunter2' }), /<redacted>": expected the URL/],
    [api({ source_url: 'ftp://r' }), /expected the URL/],
    [api({ auth_options: { basic: { username: 'me', password: `${PASSWORD}hunter2` } } }), /password: <redacted>: expected \$\{env:NAME\} or .*; or the secret itself, which must not begin with/],
    [api({ auth_options: { basic: { username: 'me', 'password:hunter2': null } } }), /auth_options\.basic\.\(a key\): unknown key/],
    [api({ auth_options: { basic: 'me:hunter2' } }), /auth_options\.basic: <redacted>: expected username and password/],
    [api({ auth_options: 'me:hunter2' }), /auth_options: <redacted>: expected basic/],
    [api({ tls_settings: { tls_pem_settings: { key: `${PASSWORD}hunter2`, cert: 'x' } } }), /key: <redacted>: /],
    [api({ tls_settings: { tls_pem_settings: 'hunter2' } }), /tls_pem_settings: <redacted>: expected ca, key and cert/],
    [api({ tls_settings: { tls_file_settings: { cert_path: '/c' } } }), /expected a certificate and its key/],
    [api({ tls_settings: { tls_file_settings: { ca_path: 'ca.pem' } } }), /expected the whole path/],
    [api({ destination: { identity: {}, exact: { mappings: [{ source: '.', destination: '.a' }] } } }), /not both/],
    [api({ destination: { exact: { mappings: [{ source: '.', destination: '.a' }, { source: '.b', destination: '.a' }] } } }), /expected each destination once/],
    [api({ destination: { exact: { mappings: [{ source: 'a', destination: '.a' }] } } }), /begins with "\."/],
    [api({ unsupported_schema_feature_policy: 'SKIP' }), /expected FAIL or REMOVE/],
    [api({ max_source_requests_per_second: -1 }), /expected 0/]
  ]
  for (const [section, expected] of cases) {
    t.throws(() => parse(section), { message: expected })
    try {
      parse(section)
    } catch (error) {
      t.notMatch(String(error), /hunter2/)
    }
  }
})

test('the topic of a registry is shadowed by this section only', async t => {
  const everything = 'name: dr\nclient_options: {bootstrap_servers: ["a:1"]}\ntopic_metadata_sync_options:\n  auto_create_shadow_topic_filters: [{pattern_type: LITERAL, filter_type: INCLUDE, name: "*"}]\n'
  t.equal(shadowsTopic(parseLinkYaml(everything, 'test'), '_schemas'), false)
  t.equal(shadowsTopic(parseLinkYaml(`${everything}schema_registry_sync_options: {shadow_schema_registry_topic: {}}`, 'test'), '_schemas'), true)
  t.equal(shadowsTopic(parseLinkYaml(`${everything}schema_registry_sync_options: {shadow_schema_registry_topic: {}}`, 'test'), 'orders'), true)
  t.throws(() => parseLinkYaml(everything.replace('"*"', '_schemas'), 'test'), { message: /filters never select this topic; schema_registry_sync_options/ })
})

test('the file of run says where schemas are copied to', async t => {
  const run = 'shadow_cluster:\n  bootstrap_servers: ["a:1"]\n'
  t.equal(parseRunYaml(run, 'test').shadowCluster.schemaRegistry, null)
  t.same(parseRunYaml(`${run}  schema_registry: {url: "https://r:8081", auth_options: {basic: {username: me, password: "\${file:/secret}"}}}\n`, 'test').shadowCluster.schemaRegistry,
    { url: 'https://r:8081', auth: { username: 'me', password: file('/secret') }, tls: null })
  const plain = `${run}  schema_registry: {url: "https://r:8081", auth_options: {basic: {username: me, password: hunter2}}, tls_settings: {tls_pem_settings: {cert: x, key: hunter2}}}\n`
  t.throws(() => parseRunYaml(plain, 'test'), { message: /password: <redacted>: expected .*The secret itself is refused here\n.*key: <redacted>: expected/ })
})
