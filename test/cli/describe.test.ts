import { test } from 'tap'
import { link } from '../admin/fake-links.ts'
import { keysOf, kshadow } from './kshadow.ts'

test('describe shows how a link is configured, defaults included', async t => {
  const { run } = await kshadow(t, link('a', { configuration: { name: 'a', client_options: { bootstrap_servers: ['s1:9092', '[::1]:9093'] }, topic_metadata_sync_options: { auto_create_shadow_topic_filters: [{ pattern_type: 'PREFIX', filter_type: 'INCLUDE', name: 'or' }] } } }))
  t.same(await run('describe a -a'), {
    code: 0,
    out: `OVERVIEW
========
NAME                  a
UID                   11111111-2222-4333-8444-555555555555
STATE                 ACTIVE
APPEND MODE           produce
ON SOURCE TRUNCATION  fault
CREATED AT            2026-01-02T03:00:00.000Z

CLIENT
======
CLIENT ID           shadow-link-a-11111111-2222-4333-8444-555555555555
SOURCE CLUSTER ID   source-cluster
BOOTSTRAP SERVERS:
  - s1:9092
  - [::1]:9093
CLIENT CONFIGURATION:
  METADATA MAX AGE (ms)      10000
  CONNECTION TIMEOUT (ms)    1000
  RETRY BACKOFF (ms)         100
  FETCH WAIT MAX (ms)        500
  FETCH MIN BYTES            1
  FETCH MAX BYTES            8388608
  FETCH PARTITION MAX BYTES  1048576

TOPIC SYNC
==========
INTERVAL            30s
PAUSED              false
START OFFSET        EARLIEST
EXCLUDE DEFAULT     false
ON SOURCE DELETION  keep
FILTERS:
  - include prefix "or"

CONSUMER OFFSET SYNC
====================
PAUSED              false
INTERVAL            30s
ON SOURCE DELETION  keep
GROUP FILTERS:
  none: no group is selected

SECURITY SYNC
=============
PAUSED               false
INTERVAL             30s
ACLS                 false
QUOTAS               false
USERS FILE           -
MASS DELETION DELAY  10m
ON LINK DELETION     keep
ACL FILTERS:
  none: all are selected

SCHEMA REGISTRY SYNC
====================
Schemas are left alone.
`,
    err: ''
  })
  t.same(keysOf((await run('describe a --output json')).out), ['overview', 'client_options'])
  t.match(JSON.parse((await run('describe a -s --output json')).out), { security_sync_options: { interval: '30s', acl_filters: [], users_file: '' } })
  t.same(JSON.parse((await run('describe a -t --output json')).out), {
    topic_metadata_sync_options: {
      interval: '30s', paused: false, auto_create_shadow_topic_filters: [{ pattern_type: 'PREFIX', filter_type: 'INCLUDE', name: 'or' }], synced_shadow_topic_properties: [], exclude_default: false, on_source_deletion: 'keep'
    }
  })
  t.same(JSON.parse((await run('describe a -r --output json')).out), { consumer_offset_sync_options: { interval: '30s', paused: false, group_filters: [], on_source_deletion: 'keep' } })
})

test('describe shows ACL filters and principal rules', async t => {
  const { run } = await kshadow(t, link('a', {
    configuration: {
      name: 'a',
      client_options: { bootstrap_servers: ['s1:9092'] },
      security_sync_options: {
        acl_filters: [{ resource_filter: { resource_type: 'TOPIC', pattern_type: 'PREFIXED', name: 'or' } }],
        principal_mapping: [{ pattern_type: 'LITERAL', name: 'User:x', drop: true }, { pattern_type: 'PREFIX', name: 'User:', replacement: 'User:b-' }]
      }
    }
  }))
  const { out } = await run('describe a -s')
  t.match(out, /ACL FILTERS:\n {2}RESOURCE {2}PATTERN {3}NAME {2}OPERATION {2}PERMISSION {2}PRINCIPAL {2}HOST\n {2}TOPIC {5}PREFIXED {2}or {4}ANY {8}ANY/)
  t.match(out, /PRINCIPAL MAPPING:\n {2}- literal "User:x" is left out\n {2}- prefix "User:" becomes "User:b-"/)
})
