/** The samples that `kshadow config generate` prints. Each is valid as it is, and shows the defaults. */

export const LINK_TEMPLATE = `# A shadow link: which topics of which cluster are shadowed. The keys are those of 'rpk shadow'.
# Use it with:  kshadow create -c FILE

# 1 to 128 letters, digits, ".", "_" and "-".
name: my-link

# How bytes land on the shadow cluster. replica: every byte exact, on Apache Kafka in KRaft mode. produce: on every
# Kafka-compatible cluster, for what a producer can write. auto: replica where it is possible.
append_mode: auto

# What becomes of a topic whose source lost records that the shadow holds (unclean leader election). fault: it is stopped, and the
# shadow keeps all it has. follow: the shadow throws them away, too, and goes on; only where append_mode comes to replica.
on_source_truncation: fault

client_options:
  # Brokers of the source to start from.
  bootstrap_servers:
    - source-broker-1:9092
    - source-broker-2:9092
  # The cluster id that the source must have; "" accepts any.
  source_cluster_id: ""
  # 0 stands for the default in each of these.
  metadata_max_age_ms: 0          # 10000
  connection_timeout_ms: 0        # 1000
  retry_backoff_ms: 0             # 100
  fetch_wait_max_ms: 0            # 500
  fetch_min_bytes: 0              # 1
  fetch_max_bytes: 0              # 8388608
  fetch_partition_max_bytes: 0    # 1048576

topic_metadata_sync_options:
  # How often new topics, new partitions and changed configs are looked for.
  interval: 30s
  # true stops that; topics that are shadowed already go on being copied.
  paused: false
  # Which topics are shadowed. Without a filter that includes it, a topic is not; an EXCLUDE wins over every INCLUDE.
  # pattern_type: LITERAL (a name, or "*" for all) or PREFIX (the start of names).
  auto_create_shadow_topic_filters:
    - pattern_type: LITERAL
      filter_type: INCLUDE
      name: "*"
    - pattern_type: PREFIX
      filter_type: EXCLUDE
      name: "test-"
  # Where the copy of a topic begins when it is shadowed first: with all the source has (this one), with what is written from now on
  # (start_at_latest: {}), or with the first record of a time or later (start_at_timestamp: 2026-01-31T12:00:00Z). One of the three;
  # the other two only where append_mode comes to replica.
  start_at_earliest: {}
  # Topic configs to carry over at failover besides those that always are.
  synced_shadow_topic_properties: []
  # true leaves out those that are carried over unless told otherwise.
  exclude_default: false
  # keep or delete: what becomes of the shadow of a topic that the source does not have any more. Not a key of rpk.
  on_source_deletion: keep

consumer_offset_sync_options:
  # How often the positions of consumer groups are copied: what a consumer may read twice after a failover.
  interval: 30s
  paused: false
  # Which groups. Without a filter that includes it, a group is not shadowed.
  group_filters:
    - pattern_type: LITERAL
      filter_type: INCLUDE
      name: "*"
  # keep or delete: what becomes of a group that the source does not have any more, and that nobody used here. Not a key of rpk.
  on_source_deletion: keep

# ACLs, client quotas and SCRAM users. What the link adds to the shadow cluster it also removes once the source no longer has it;
# what the shadow cluster has by itself is never touched.
security_sync_options:
  interval: 30s
  paused: false
  # Which ACLs; none selects all. resource_type: ANY, CLUSTER, GROUP, TOPIC or TXN_ID; pattern_type: ANY, LITERAL, PREFIXED or MATCH;
  # "" stands for all names, principals or hosts.
  acl_filters: []
  # - resource_filter: {resource_type: TOPIC, pattern_type: PREFIXED, name: "orders-"}
  #   access_filter: {principal: "", operation: ANY, permission_type: ANY, host: ""}
  # These and the following keys are kafka-shadow's own. Set sync_acls: false where the source has no authorizer.
  sync_acls: true
  sync_quotas: true
  # What principals are called on the shadow; the first rule that matches counts.
  principal_mapping: []
  # - {pattern_type: LITERAL, name: "User:admin", drop: true}
  # - {pattern_type: PREFIX, name: "User:", replacement: "User:site-b-"}
  # A file on the host of the engine with the SCRAM users of the shadow: no cluster tells another its users' secrets.
  users_file: ""
  # How long it is held back when more than half of what the link has added is gone at once on the source (10 and more).
  mass_deletion_delay: 10m
  # What becomes of what the link has added when the link is deleted: keep or delete.
  on_link_deletion: keep

# How schemas get to the shadow. Left out: they do not. One of:
# schema_registry_sync_options:
#   # The topic _schemas of the source is shadowed, byte for byte.
#   shadow_schema_registry_topic: {}
# schema_registry_sync_options:
#   # Subjects are copied from the source's registry to the one that shadow_cluster.schema_registry of 'kshadow run' names.
#   shadow_schema_registry_api:
#     source_url: https://source-registry:8081
#     # Secrets are looked up on the engine's host: \${env:NAME} or \${file:/PATH}. Or give the secret itself: the engine seals it with the
#     # key of its secrets.key_file before it stores it, and shows \${sealed} from then on, which stands for it in 'kshadow update'.
#     auth_options: {basic: {username: kshadow, password: "\${env:REGISTRY_PASSWORD}"}}
#     tls_settings: {enabled: true, tls_file_settings: {ca_path: /etc/kshadow/ca.pem}}
#     # Or the certificates themselves, and no server name in the handshake:
#     # tls_settings: {enabled: true, do_not_set_sni_hostname: true, tls_pem_settings: {ca: "…", cert: "…", key: "\${file:/etc/kshadow/key.pem}"}}
#     # How often new subjects and versions are looked for, and how often everything is compared.
#     tail_interval: 10s
#     full_sync_interval: 5m
#     max_source_requests_per_second: 30
#     # Which contexts and subjects; both empty: all.
#     source_filter: {contexts: [], subjects: []}
#     # identity: {} keeps the names of contexts; exact: {mappings: [{source: ".", destination: ".site-a"}]} maps them.
#     destination: {identity: {}}
#     # What becomes of schemas with metadata or rules. FAIL: left out, and reported. REMOVE: copied without them.
#     unsupported_schema_feature_policy: FAIL
#     paused: false
`

export const RUN_TEMPLATE = `# What one kshadow process runs: the engine that copies, the sidecar that clients connect to, and the admin port.
# Use it with:  kshadow run -c FILE

# The cluster that holds the copies.
shadow_cluster:
  bootstrap_servers:
    - shadow-broker-1:9092
    - shadow-broker-2:9092
  connection_timeout_ms: 5000
  # Where links copy schemas to that do so by API.
  # schema_registry:
  #   url: https://shadow-registry:8081
  #   auth_options: {basic: {username: kshadow, password: "\${file:/etc/kshadow/registry-password}"}}
  #   tls_settings: {enabled: true, tls_file_settings: {ca_path: /etc/kshadow/ca.pem}}

# The engine copies. Several processes may have it on: one of them leads, the others stand by.
engine:
  enabled: true
  # How much fetched data one link may hold in memory.
  max_buffered_bytes: 67108864
  # How long an engine that died keeps others from taking over.
  session_timeout: 6s
  # Connections to each shadow broker for appends.
  append_connections: 1

# The broker that the engine registers with the shadow cluster: links copy in append mode replica then (Apache Kafka in KRaft
# mode), and in append mode produce without it.
# shadow_leader:
#   # Where the shadow brokers fetch from. Choose a port that stays: they look the address up only when a leader changes.
#   listen: 0.0.0.0:19095
#   advertised: engine.example.com:19095
#   # The ids that engines may register with, each with its own; no real broker may have one of them.
#   broker_ids: "3000-3009"
#   # The controllers. Left out: the brokers are asked for them.
#   controllers: []
#   # The listener by which the brokers reach each other, where they have several.
#   inter_broker_listener: INTERNAL
#   # How long a failover waits for a broker that does not have all records, and may yet. It is left out then, and joins when it can.
#   follower_timeout: 10s

# Secrets that are given to links as they are, and not as \${env:NAME} or \${file:/PATH}, are sealed with the first key of this file before
# they are stored on the shadow cluster. All engines need the same file, for themselves only:
#   (umask 077; openssl rand -hex 32 > /etc/kshadow/secret.key)
# Without it such secrets are refused. To change it: add the new key on a line below in the files of all engines, then move it to the top.
# secrets:
#   key_file: /etc/kshadow/secret.key

# The sidecar is the address that clients have instead of the shadow cluster's.
sidecar:
  enabled: true
  # The address to listen at, and the one that clients are told (the same, where it is left out).
  listen_host: 127.0.0.1
  # advertised_host: shadow.example.com
  # Clients start here. The n-th broker id of node_ids (from 0) listens at bootstrap_port + 1 + n.
  bootstrap_port: 19092
  node_ids: "0-15"
  max_frame_bytes: 104857600
  # From which age on the state of the links is not relied on: only topics known to be failed over stay open then.
  stale_after: 15s
  # How long requests under way are waited for at the end.
  drain_timeout: 10s

# The port that the kshadow commands talk to. It has no authentication: leave it on this machine, or say allow_remote: true.
admin:
  enabled: true
  listen: 127.0.0.1:9644
  # The address that others reach it at, for when several engines run.
  # advertised: 10.0.0.7:9644
  allow_remote: false

# Links to create at the start, each as 'kshadow config generate' shows it: once. What exists is changed by 'kshadow update', and what was
# deleted stays so until 'kshadow create'.
links: []

# trace, debug, info, warn or error
log_level: info
`
