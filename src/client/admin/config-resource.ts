/** `ConfigResource.Type` of topics. */
export const TOPIC_RESOURCE = 2

/** `DescribeConfigsResponse.ConfigSource`: set on the topic itself, and Kafka's own default. */
export const TOPIC_CONFIG_SOURCE = 1
export const DEFAULT_CONFIG_SOURCE = 5

/** `ConfigResource.Type` of brokers. */
export const BROKER_RESOURCE = 4
