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
`

export const RUN_TEMPLATE = `# What one kshadow process runs: the engine that copies, the sidecar that clients connect to, and the admin port.
# Use it with:  kshadow run -c FILE

# The cluster that holds the copies.
shadow_cluster:
  bootstrap_servers:
    - shadow-broker-1:9092
    - shadow-broker-2:9092
  connection_timeout_ms: 5000

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
#   # The ids that it may register with; no real broker may have one of them.
#   broker_ids: "3000-3009"
#   # The controllers. Left out: the brokers are asked for them.
#   controllers: []
#   # The listener by which the brokers reach each other, where they have several.
#   inter_broker_listener: INTERNAL
#   # How long a failover waits for a broker that does not have all records, and may yet. It is left out then, and joins when it can.
#   follower_timeout: 10s

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

# Links to create at the start if they do not exist, each as 'kshadow config generate' shows it.
links: []

# trace, debug, info, warn or error
log_level: info
`
