package kafkashadow.clients;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads topics as a consumer does, from their start to their end: {@code Digest BOOTSTRAP ISOLATION TOPIC[@LIMIT]...}. With a limit,
 * records from that offset on are read and not counted. Prints a line for each partition: its name, where the reading ended, how many
 * records there were, and a digest of all that they hold, offsets and timestamps too.
 */
public final class Digest {
    private static final class Partition {
        private final MessageDigest digest;
        private final long limit;
        private int records;

        private Partition(long limit) throws Exception {
            this.digest = MessageDigest.getInstance("SHA-256");
            this.limit = limit;
        }

        private void add(ConsumerRecord<byte[], byte[]> record) {
            if (record.offset() >= limit) return;
            records++;
            digest.update(ByteBuffer.allocate(20).putLong(record.offset()).putLong(record.timestamp()).putInt(record.timestampType().id).array());
            add(record.key());
            add(record.value());
            for (Header header : record.headers()) {
                add(header.key().getBytes(StandardCharsets.UTF_8));
                add(header.value());
            }
        }

        private void add(byte[] bytes) {
            digest.update(ByteBuffer.allocate(4).putInt(bytes == null ? -1 : bytes.length).array());
            if (bytes != null) digest.update(bytes);
        }
    }

    private Digest() {
    }

    public static void main(String[] args) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", args[0], "isolation.level", args[1], "enable.auto.commit", false, "max.poll.records", 5000);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            Map<TopicPartition, Partition> partitions = new TreeMap<>((left, right) -> left.toString().compareTo(right.toString()));
            for (int index = 2; index < args.length; index++) {
                String[] parts = args[index].split("@");
                for (PartitionInfo info : consumer.partitionsFor(parts[0])) {
                    partitions.put(new TopicPartition(parts[0], info.partition()), new Partition(parts.length > 1 ? Long.parseLong(parts[1]) : Long.MAX_VALUE));
                }
            }
            List<TopicPartition> all = new ArrayList<>(partitions.keySet());
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                    partitions.get(new TopicPartition(record.topic(), record.partition())).add(record);
                }
            }
            for (TopicPartition partition : all) {
                Partition seen = partitions.get(partition);
                System.out.println(partition + " " + consumer.position(partition) + " " + seen.records + " " + HexFormat.of().formatHex(seen.digest.digest()));
            }
        }
    }
}
