package kafkashadow.clients;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Several consumers, one after the other, each of them at one topic: {@code ReadAll BOOTSTRAP READ...}, where READ is one of
 * {@code assign TOPIC COUNT}, {@code classic GROUP TOPIC COUNT}, {@code consumer GROUP TOPIC COUNT} and {@code offsets ISOLATION TOPIC TIMESTAMP},
 * with colons in place of blanks. Prints {@code READ value} for every record, in the order of partition and offset, and commits in groups; of
 * offsets, {@code READ begin|end|time partition offset}.
 */
public final class ReadAll {
    private static final Duration POLL = Duration.ofMillis(200);
    private static final long PATIENCE_MS = 30_000;

    private ReadAll() {
    }

    public static void main(String[] args) {
        for (int index = 1; index < args.length; index++) {
            String[] words = args[index].split(":");
            switch (words[0]) {
                case "assign" -> read(args[0], args[index], words[1], Integer.parseInt(words[2]), Map.of());
                case "offsets" -> offsets(args[0], args[index], words[1], words[2], Long.parseLong(words[3]));
                default -> read(args[0], args[index], words[2], Integer.parseInt(words[3]), Map.of("group.id", words[1], "group.protocol", words[0]));
            }
        }
    }

    private static KafkaConsumer<String, String> consumer(String bootstrap, Map<String, String> settings) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("enable.auto.commit", "false");
        // Whoever believes that the log was cut off says so.
        config.put("auto.offset.reset", settings.containsKey("group.id") ? "earliest" : "none");
        config.put("max.poll.records", "1");
        config.put("fetch.max.wait.ms", "100");
        config.putAll(settings);
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    private static List<TopicPartition> partitions(KafkaConsumer<?, ?> consumer, String topic) {
        return consumer.partitionsFor(topic).stream().map((PartitionInfo info) -> new TopicPartition(topic, info.partition())).toList();
    }

    private static void read(String bootstrap, String name, String topic, int count, Map<String, String> settings) {
        Map<String, String> values = new TreeMap<>();
        try (KafkaConsumer<String, String> consumer = consumer(bootstrap, settings)) {
            if (settings.isEmpty()) {
                consumer.assign(partitions(consumer, topic));
                consumer.seekToBeginning(consumer.assignment());
            } else {
                consumer.subscribe(List.of(topic));
            }
            int seen = 0;
            long deadline = System.currentTimeMillis() + PATIENCE_MS;
            while (seen < count) {
                ConsumerRecords<String, String> records = consumer.poll(POLL);
                for (ConsumerRecord<String, String> record : records) {
                    values.put(String.format("%05d %010d", record.partition(), record.offset()), record.value());
                    seen++;
                }
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException(name + ": " + seen + " records, and no more");
            }
            if (!settings.isEmpty()) consumer.commitSync();
        }
        values.values().forEach(value -> System.out.println(name + " " + value));
    }

    private static void offsets(String bootstrap, String name, String isolation, String topic, long timestamp) {
        try (KafkaConsumer<String, String> consumer = consumer(bootstrap, Map.of("isolation.level", isolation))) {
            List<TopicPartition> partitions = partitions(consumer, topic);
            Map<TopicPartition, Long> times = new java.util.HashMap<>();
            for (TopicPartition partition : partitions) times.put(partition, timestamp);
            Map<TopicPartition, Long> begins = consumer.beginningOffsets(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(times);
            for (TopicPartition partition : partitions) {
                System.out.println(name + " begin " + partition.partition() + " " + begins.get(partition));
                System.out.println(name + " end " + partition.partition() + " " + ends.get(partition));
                System.out.println(name + " time " + partition.partition() + " " + (found.get(partition) == null ? null : found.get(partition).offset()));
            }
        }
    }
}
