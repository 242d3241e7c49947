import { test } from 'tap'
import { ConfigError } from '../../src/config/config-error.ts'
import { CLIENT_DEFAULTS } from '../../src/config/link/client-options.ts'
import { linkDocument, parseLinkDocument, parseLinkYaml } from '../../src/config/link-config.ts'
import { isProtectedTopic, selectsGroup, selectsTopic, type NameFilter } from '../../src/config/link/name-filter.ts'

const MINIMAL = `
name: site-b
client_options:
  bootstrap_servers: [source-1:9092]
`

const FULL = `
name: site-b
append_mode: produce
on_source_truncation: follow
client_options:
  bootstrap_servers: [source-1:9092, "[::1]:9093"]
  source_cluster_id: "42"
  metadata_max_age_ms: 5000
  connection_timeout_ms: 2000
  retry_backoff_ms: 50
  fetch_wait_max_ms: 100
  fetch_min_bytes: 2
  fetch_max_bytes: 2048
  fetch_partition_max_bytes: 1024
topic_metadata_sync_options:
  interval: 1m30s
  paused: true
  auto_create_shadow_topic_filters:
    - { pattern_type: LITERAL, filter_type: INCLUDE, name: "*" }
    - { pattern_type: PREFIXED, filter_type: EXCLUDE, name: test- }
  synced_shadow_topic_properties: [retention.ms]
  exclude_default: true
  on_source_deletion: delete
  start_at_earliest: {}
consumer_offset_sync_options:
  interval: 5s
  paused: true
  group_filters:
    - { pattern_type: LITERAL, filter_type: INCLUDE, name: "*" }
    - { pattern_type: PREFIX, filter_type: EXCLUDE, name: "a group/of any: name" }
  on_source_deletion: delete
security_sync_options:
  interval: 2m
  paused: true
  acl_filters:
    - resource_filter: { resource_type: TXN_ID, pattern_type: PREFIXED, name: tx- }
      access_filter: { principal: User:alice, operation: REMOVE, permission_type: DENY, host: 10.0.0.1 }
    - {}
  sync_acls: false
  sync_quotas: false
  principal_mapping:
    - { pattern_type: LITERAL, name: User:admin, drop: true }
    - { pattern_type: PREFIXED, name: "User:", replacement: User:site-b- }
  users_file: /etc/kshadow/users.yaml
  mass_deletion_delay: 1h
  on_link_deletion: delete
`

/** The lines that a text was refused with. */
function refusalOf (text: string): string[] {
  try {
    parseLinkYaml(text, 'link.yaml')
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
  return []
}

/** MINIMAL with one more line. */
function withClientOption (line: string): string {
  return `${MINIMAL}  ${line}\n`
}

function withTopicOption (line: string): string {
  return `${MINIMAL}topic_metadata_sync_options:\n  ${line}\n`
}

function withSecurityOption (line: string): string {
  return `${MINIMAL}security_sync_options:\n  ${line}\n`
}

test('a link needs a name and where its source is; the rest has defaults', async t => {
  t.strictSame(parseLinkYaml(MINIMAL, 'link.yaml'), {
    name: 'site-b',
    appendMode: 'auto',
    onSourceTruncation: 'fault',
    clientOptions: {
      bootstrapServers: [{ host: 'source-1', port: 9092 }],
      sourceClusterId: null,
      metadataMaxAgeMs: CLIENT_DEFAULTS.metadataMaxAgeMs,
      connectionTimeoutMs: CLIENT_DEFAULTS.connectionTimeoutMs,
      retryBackoffMs: CLIENT_DEFAULTS.retryBackoffMs,
      fetchWaitMaxMs: CLIENT_DEFAULTS.fetchWaitMaxMs,
      fetchMinBytes: CLIENT_DEFAULTS.fetchMinBytes,
      fetchMaxBytes: CLIENT_DEFAULTS.fetchMaxBytes,
      fetchPartitionMaxBytes: CLIENT_DEFAULTS.fetchPartitionMaxBytes
    },
    topicSync: { intervalMs: 30_000, paused: false, filters: [], syncedProperties: [], excludeDefault: false, start: { at: 'earliest' }, onSourceDeletion: 'keep' },
    groupSync: { intervalMs: 30_000, paused: false, filters: [], onSourceDeletion: 'keep' },
    securitySync: {
      intervalMs: 30_000, paused: false, syncAcls: false, aclFilters: [], syncQuotas: false, principalMapping: [], usersFile: null, massDeletionDelayMs: 600_000, onLinkDeletion: 'keep'
    },
    schemaSync: null
  })
})

test('every key is read', async t => {
  t.strictSame(parseLinkYaml(FULL, 'link.yaml'), {
    name: 'site-b',
    appendMode: 'produce',
    onSourceTruncation: 'follow',
    clientOptions: {
      bootstrapServers: [{ host: 'source-1', port: 9092 }, { host: '::1', port: 9093 }],
      sourceClusterId: '42',
      metadataMaxAgeMs: 5000,
      connectionTimeoutMs: 2000,
      retryBackoffMs: 50,
      fetchWaitMaxMs: 100,
      fetchMinBytes: 2,
      fetchMaxBytes: 2048,
      fetchPartitionMaxBytes: 1024
    },
    topicSync: {
      intervalMs: 90_000,
      paused: true,
      filters: [{ patternType: 'LITERAL', filterType: 'INCLUDE', name: '*' }, { patternType: 'PREFIX', filterType: 'EXCLUDE', name: 'test-' }],
      syncedProperties: ['retention.ms'],
      excludeDefault: true,
      start: { at: 'earliest' },
      onSourceDeletion: 'delete'
    },
    groupSync: {
      intervalMs: 5000,
      paused: true,
      filters: [{ patternType: 'LITERAL', filterType: 'INCLUDE', name: '*' }, { patternType: 'PREFIX', filterType: 'EXCLUDE', name: 'a group/of any: name' }],
      onSourceDeletion: 'delete'
    },
    securitySync: {
      intervalMs: 120_000,
      paused: true,
      syncAcls: false,
      aclFilters: [
        { resourceType: 'TXN_ID', patternType: 'PREFIXED', resourceName: 'tx-', principal: 'User:alice', operation: 'REMOVE', permissionType: 'DENY', host: '10.0.0.1' },
        { resourceType: 'ANY', patternType: 'ANY', resourceName: '', principal: '', operation: 'ANY', permissionType: 'ANY', host: '' }
      ],
      syncQuotas: false,
      principalMapping: [{ patternType: 'LITERAL', name: 'User:admin', replacement: null }, { patternType: 'PREFIX', name: 'User:', replacement: 'User:site-b-' }],
      usersFile: '/etc/kshadow/users.yaml',
      massDeletionDelayMs: 3_600_000,
      onLinkDeletion: 'delete'
    },
    schemaSync: null
  })
})

test('0 stands for the default, as in rpk shadow', async t => {
  for (const [key, value] of [['metadata_max_age_ms', CLIENT_DEFAULTS.metadataMaxAgeMs], ['fetch_max_bytes', CLIENT_DEFAULTS.fetchMaxBytes]] as const) {
    const { clientOptions } = parseLinkYaml(withClientOption(`${key}: 0`), 'link.yaml')
    t.ok(Object.values(clientOptions).includes(value), key)
  }
  t.strictSame(parseLinkYaml(withClientOption('fetch_min_bytes: 0'), 'link.yaml'), parseLinkYaml(MINIMAL, 'link.yaml'))
})

test('a document written from a link is read back as the same link', async t => {
  for (const text of [MINIMAL, FULL]) {
    const link = parseLinkYaml(text, 'link.yaml')
    t.strictSame(parseLinkDocument(JSON.parse(JSON.stringify(linkDocument(link))), 'record'), link)
  }
})

test('where copies begin: with everything, with what comes, or with a time', async t => {
  const startOf = (line: string): unknown => parseLinkYaml(withTopicOption(line), 'link.yaml').topicSync.start
  t.same(startOf('start_at_earliest: {}'), { at: 'earliest' })
  t.same(startOf('start_at_latest: {}'), { at: 'latest' })
  t.same(startOf('start_at_timestamp: 2026-01-31T12:00:00Z'), { at: 'timestamp', ms: Date.UTC(2026, 0, 31, 12), text: '2026-01-31T12:00:00Z' })
  t.match(startOf('start_at_timestamp: 2026-01-31T12:00:00.123456789+02:00'), { ms: Date.UTC(2026, 0, 31, 10, 0, 0, 123) })
  t.match(startOf('start_at_timestamp: 1969-12-31T23:59:59.999Z'), { ms: 0 }, '-1 would be the end')
  for (const line of ['start_at_latest: {}', 'start_at_timestamp: 2026-01-31T12:00:00Z']) {
    const link = parseLinkYaml(withTopicOption(line), 'link.yaml')
    t.strictSame(parseLinkDocument(JSON.parse(JSON.stringify(linkDocument(link))), 'record'), link)
  }
})

test('what is wrong is refused with its key, line, value and what was expected', async t => {
  const name = 'expected 1 to 128 letters, digits, ".", "_" and "-"'
  const size = (from: number, to: number, fallback: number): string => `expected 0 (for the default, ${fallback}) or a whole number from ${from} to ${to}`
  const max = 2 ** 31 - 1
  const address = 'expected host:port, such as broker-1:9092 or [::1]:9092'
  const topicName = 'expected 1 to 249 letters, digits, ".", "_" and "-", or exactly *'
  const filter = (fields: string): string => withTopicOption(`auto_create_shadow_topic_filters: [{ ${fields} }]`)
  const refused: Array<[string, string]> = [
    ['[]', ':1: a list: expected a map with name and client_options'],
    ['name: a', ':1: client_options: expected client_options with bootstrap_servers'],
    [MINIMAL.replace('site-b', 'a/b'), `:2: name: "a/b": ${name}`],
    [MINIMAL.replace('site-b', '".."'), `:2: name: "..": ${name}`],
    [MINIMAL.replace('site-b', 'x'.repeat(129)), `:2: name: "${'x'.repeat(76)}...: ${name}`],
    [MINIMAL.replace('site-b', '7'), ':2: name: 7: expected the name of the link'],
    [`${MINIMAL}append_mode: exact`, ':5: append_mode: "exact": expected auto, replica or produce'],
    [`${MINIMAL}on_source_truncation: ignore`, ':5: on_source_truncation: "ignore": expected fault or follow'],
    [`${MINIMAL}colour: red`, ':5: colour: unknown key'],
    [MINIMAL.replace('[source-1:9092]', 'source-1:9092'), ':4: client_options.bootstrap_servers: "source-1:9092": expected a list of host:port'],
    [MINIMAL.replace('[source-1:9092]', '[]'), ':4: client_options.bootstrap_servers: a list: expected at least one host:port'],
    [MINIMAL.replace('source-1:9092', 'source-1'), `:4: client_options.bootstrap_servers[0]: "source-1": ${address}`],
    [MINIMAL.replace('source-1:9092', 'source-1:0'), `:4: client_options.bootstrap_servers[0]: "source-1:0": ${address}`],
    [MINIMAL.replace('source-1:9092', 'source-1:65536'), `:4: client_options.bootstrap_servers[0]: "source-1:65536": ${address}`],
    [MINIMAL.replace('source-1:9092', '"http://a:1"'), `:4: client_options.bootstrap_servers[0]: "http://a:1": ${address}`],
    [MINIMAL.replace('source-1:9092', '"a,b:1"'), `:4: client_options.bootstrap_servers[0]: "a,b:1": ${address}`],
    [withClientOption('source_cluster_id: 42'), ':5: client_options.source_cluster_id: 42: expected a cluster id, in quotes where it looks like a number'],
    [withClientOption('tls_settings: { enabled: true }'), ':5: client_options.tls_settings: a map: TLS to the source is not part of this version; leave the key out'],
    [withClientOption('authentication_configuration: { password: x }'), ':5: client_options.authentication_configuration: a map: authentication to the source is not part of this version; leave the key out'],
    [withClientOption('metadata_max_age_ms: 99'), `:5: client_options.metadata_max_age_ms: 99: ${size(100, max, 10_000)}`],
    [withClientOption('connection_timeout_ms: -1'), `:5: client_options.connection_timeout_ms: -1: ${size(100, max, 1000)}`],
    [withClientOption('retry_backoff_ms: 1.5'), `:5: client_options.retry_backoff_ms: 1.5: ${size(1, max, 100)}`],
    [withClientOption('fetch_wait_max_ms: 30001'), `:5: client_options.fetch_wait_max_ms: 30001: ${size(1, 30_000, 500)}`],
    [withClientOption('fetch_min_bytes: 2147483648'), `:5: client_options.fetch_min_bytes: 2147483648: ${size(1, max, 1)}`],
    [withClientOption('fetch_max_bytes: 1GB'), `:5: client_options.fetch_max_bytes: "1GB": ${size(1024, 64 * 1024 * 1024, 8 * 1024 * 1024)}`],
    [withClientOption('fetch_partition_max_bytes: 5'), `:5: client_options.fetch_partition_max_bytes: 5: ${size(1024, 64 * 1024 * 1024, 1024 * 1024)}`],
    [withTopicOption('interval: 50ms'), ':6: topic_metadata_sync_options.interval: "50ms": expected a duration such as 30s, from 100ms to 24h, or 0s for the default, 30s'],
    [withTopicOption('interval: 30'), ':6: topic_metadata_sync_options.interval: 30: expected a duration such as 30s, from 100ms to 24h, or 0s for the default, 30s'],
    [withTopicOption('paused: "no"'), ':6: topic_metadata_sync_options.paused: "no": expected true or false'],
    [`append_mode: produce\n${withTopicOption('start_at_latest: {}')}`, ':7: topic_metadata_sync_options.start_at_latest: a map: append_mode produce can only start at the beginning of a topic; leave the key out'],
    [`append_mode: produce\n${withTopicOption('start_at_timestamp: 2026-01-31T12:00:00Z')}`, ':7: topic_metadata_sync_options.start_at_timestamp: "2026-01-31T12:00:00Z": append_mode produce can only start at the beginning of a topic; leave the key out'],
    [withTopicOption('start_at_timestamp: "2024-01-01"'), ':6: topic_metadata_sync_options.start_at_timestamp: "2024-01-01": expected a time as RFC 3339 has it, such as 2026-01-31T12:00:00Z'],
    [withTopicOption('start_at_earliest: {}\n  start_at_latest: {}'), ':5: topic_metadata_sync_options: a map: expected one of start_at_earliest, start_at_latest and start_at_timestamp at most'],
    [withTopicOption('start_at_earliest: true'), ':6: topic_metadata_sync_options.start_at_earliest: true: expected {}'],
    [withTopicOption('auto_create_shadow_topic_filters: orders'), ':6: topic_metadata_sync_options.auto_create_shadow_topic_filters: "orders": expected a list of filters'],
    [withTopicOption('auto_create_shadow_topic_filters: [orders]'), ':6: topic_metadata_sync_options.auto_create_shadow_topic_filters[0]: "orders": expected pattern_type, filter_type and name'],
    [filter('pattern_type: REGEX, filter_type: INCLUDE, name: a'), ':6: topic_metadata_sync_options.auto_create_shadow_topic_filters[0].pattern_type: "REGEX": expected LITERAL or PREFIX'],
    [filter('pattern_type: LITERAL, filter_type: ONLY, name: a'), ':6: topic_metadata_sync_options.auto_create_shadow_topic_filters[0].filter_type: "ONLY": expected INCLUDE or EXCLUDE'],
    [filter('pattern_type: LITERAL, filter_type: INCLUDE'), ':6: topic_metadata_sync_options.auto_create_shadow_topic_filters[0].name: expected a topic name, the start of one, or *'],
    [filter('pattern_type: PREFIX, filter_type: INCLUDE, name: "*"'), ':6: topic_metadata_sync_options.auto_create_shadow_topic_filters[0].name: "*": * is a LITERAL pattern'],
    [filter('pattern_type: LITERAL, filter_type: INCLUDE, name: "orders*"'), `:6: topic_metadata_sync_options.auto_create_shadow_topic_filters[0].name: "orders*": ${topicName}`],
    [filter('pattern_type: LITERAL, filter_type: INCLUDE, name: ""'), `:6: topic_metadata_sync_options.auto_create_shadow_topic_filters[0].name: "": ${topicName}`],
    [filter('pattern_type: LITERAL, filter_type: INCLUDE, name: "."'), `:6: topic_metadata_sync_options.auto_create_shadow_topic_filters[0].name: ".": ${topicName}`],
    [filter('pattern_type: LITERAL, filter_type: INCLUDE, name: __consumer_offsets'), ':6: topic_metadata_sync_options.auto_create_shadow_topic_filters[0].name: "__consumer_offsets": this topic is never shadowed'],
    [withTopicOption('synced_shadow_topic_properties: [Retention]'), ':6: topic_metadata_sync_options.synced_shadow_topic_properties[0]: "Retention": expected the name of a topic config, such as retention.ms'],
    [withTopicOption('synced_shadow_topic_properties: [redpanda.remote.recovery]'), ':6: topic_metadata_sync_options.synced_shadow_topic_properties[0]: "redpanda.remote.recovery": this topic config belongs to one cluster and is never carried over'],
    [withTopicOption('on_source_deletion: maybe'), ':6: topic_metadata_sync_options.on_source_deletion: "maybe": expected keep or delete'],
    [withTopicOption('colour: red'), ':6: topic_metadata_sync_options.colour: unknown key'],
    [withSecurityOption('acl_filters: [{ resource_filter: { resource_type: SUBJECT } }]'), ':6: security_sync_options.acl_filters[0].resource_filter.resource_type: "SUBJECT": Kafka has no ACLs for a schema registry: expected ANY, CLUSTER, GROUP, TOPIC or TXN_ID'],
    [withSecurityOption('acl_filters: [{ resource_filter: { resource_type: topic } }]'), ':6: security_sync_options.acl_filters[0].resource_filter.resource_type: "topic": expected ANY, CLUSTER, GROUP, TOPIC or TXN_ID'],
    [withSecurityOption('acl_filters: [{ resource_filter: { pattern_type: PREFIX } }]'), ':6: security_sync_options.acl_filters[0].resource_filter.pattern_type: "PREFIX": expected ANY, LITERAL, PREFIXED or MATCH'],
    [withSecurityOption('acl_filters: [{ access_filter: { operation: DELETE } }]'), ':6: security_sync_options.acl_filters[0].access_filter.operation: "DELETE": expected ANY, READ, WRITE, CREATE, REMOVE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS or IDEMPOTENT_WRITE'],
    [withSecurityOption('acl_filters: [{ access_filter: { host: 7 } }]'), ':6: security_sync_options.acl_filters[0].access_filter.host: 7: expected a host, or "" for all'],
    [withSecurityOption('principal_mapping: [{ pattern_type: PREFIX, name: a }]'), ':6: security_sync_options.principal_mapping[0].replacement: expected what stands in the place of name, such as User:site-b-, or drop: true'],
    [withSecurityOption('principal_mapping: [{ pattern_type: PREFIX, name: a, replacement: b }]'), ':6: security_sync_options.principal_mapping[0].replacement: "b": expected the type of a principal at the start, such as User:'],
    [withSecurityOption('principal_mapping: [{ pattern_type: LITERAL, name: a, replacement: "User:" }]'), ':6: security_sync_options.principal_mapping[0].replacement: "User:": expected a whole principal, such as User:alice'],
    [withSecurityOption('principal_mapping: [{ pattern_type: PREFIX, name: a, replacement: "User:b", drop: true }]'), ':6: security_sync_options.principal_mapping[0].drop: true: expected either replacement or drop: true'],
    [withSecurityOption('users_file: users.yaml'), ':6: security_sync_options.users_file: "users.yaml": expected an absolute path: it is read on the host of whichever engine leads'],
    [withSecurityOption('on_link_deletion: drop'), ':6: security_sync_options.on_link_deletion: "drop": expected keep or delete'],
    [`${MINIMAL}role_sync_options: { role_name_filters: [{ name: r }] }`, ':5: role_sync_options: a map: Kafka has no roles: leave the key out; ACLs are shadowed by security_sync_options']
  ]
  for (const [text, line] of refused) t.strictSame(refusalOf(text), [`link.yaml${line}`])
})

test('what other versions will do is refused by name', async t => {
  for (const key of ['cloud_options']) {
    const [line, ...more] = refusalOf(`${MINIMAL}${key}: {}`)
    t.match(line, new RegExp(`^link.yaml:5: ${key}: a map: .* is not part of this version; leave the key out$`))
    t.same(more, [])
  }
})

test('groups may be called anything but what engines use, and filters of them say what is wrong', async t => {
  const filter = (text: string): string => `${MINIMAL}consumer_offset_sync_options:\n  group_filters:\n    - ${text}\n`
  const at = ':7: consumer_offset_sync_options.group_filters[0].name'
  t.same(refusalOf(filter('{ pattern_type: PREFIX, filter_type: INCLUDE, name: "*" }')), [`link.yaml${at}: "*": * is a LITERAL pattern`])
  t.same(refusalOf(filter('{ pattern_type: PREFIX, filter_type: INCLUDE, name: "" }')), [`link.yaml${at}: "": expected 1 to 32767 characters`])
  t.same(refusalOf(filter('{ pattern_type: LITERAL, filter_type: INCLUDE, name: __kshadow_engine }')), [`link.yaml${at}: "__kshadow_engine": this group is never shadowed`])
  t.same(refusalOf(filter('{ pattern_type: LITERAL, filter_type: INCLUDE, name: "größe, *" }')), [])
  t.same(refusalOf(`${MINIMAL}consumer_offset_sync_options:\n  on_source_deletion: maybe\n`), ['link.yaml:6: consumer_offset_sync_options.on_source_deletion: "maybe": expected keep or delete'])
  const all: NameFilter[] = [{ patternType: 'LITERAL', filterType: 'INCLUDE', name: '*' }]
  t.same(['app', '__kshadow_engine', ''].map(name => selectsGroup(all, name)), [true, false, false])
})

test('a topic is shadowed when an include matches and no exclude does, in whatever order', async t => {
  const include = (name: string, patternType: NameFilter['patternType'] = 'LITERAL'): NameFilter => ({ patternType, filterType: 'INCLUDE', name })
  const exclude = (name: string, patternType: NameFilter['patternType'] = 'LITERAL'): NameFilter => ({ patternType, filterType: 'EXCLUDE', name })
  const cases: Array<[NameFilter[], string, boolean]> = [
    [[], 'orders', false],
    [[include('orders')], 'orders', true],
    [[include('orders')], 'orders-2', false],
    [[include('orders', 'PREFIX')], 'orders-2', true],
    [[include('orders', 'PREFIX')], 'order', false],
    [[include('*')], 'orders', true],
    [[include('*'), exclude('orders')], 'orders', false],
    [[exclude('orders'), include('*')], 'orders', false],
    [[exclude('orders'), include('orders')], 'orders', false],
    [[include('*'), exclude('test-', 'PREFIX')], 'test-1', false],
    [[include('*'), exclude('*')], 'orders', false],
    [[exclude('payments')], 'orders', false],
    // What is Kafka's own, and ours, no filter selects.
    [[include('*')], '__consumer_offsets', false],
    [[include('_', 'PREFIX')], '__transaction_state', false],
    [[include('*')], '__kshadow_links', false],
    [[include('*')], '_schemas', false],
    [[include('*')], '_redpanda.audit_log', false],
    [[include('*')], '_orders', true]
  ]
  for (const [filters, topic, isSelected] of cases) t.equal(selectsTopic(filters, topic), isSelected, `${filters.map(filter => `${filter.filterType} ${filter.name}`).join(', ')}: ${topic}`)
  t.ok(isProtectedTopic('__redpanda.anything'))
  t.notOk(isProtectedTopic('__orders'))
})

test('sections of rpk that ask for nothing come to nothing', t => {
  const plain = parseLinkYaml(MINIMAL, 'link.yaml')
  for (const text of [
    withClientOption('tls_settings: { enabled: false, do_not_set_sni_hostname: false, tls_file_settings: { ca_path: "" } }'),
    withClientOption('tls_settings:'),
    withClientOption('authentication_configuration:'),
    withTopicOption('interval: 0s'),
    `${MINIMAL}consumer_offset_sync_options: { interval: "0" }\n`,
    `${MINIMAL}role_sync_options: { interval: 30s, paused: false, role_name_filters: [] }`,
    `${MINIMAL}role_sync_options:\nschema_registry_sync_options:\ncloud_options:\n`
  ]) t.same(parseLinkYaml(text, 'link.yaml'), plain, text)
  t.end()
})
