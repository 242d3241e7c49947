package kafkashadow.clients;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads topics from their start to their end and counts what {@link Load} wrote: {@code Tally BOOTSTRAP TOPICS}. Prints a line for each
 * producer: {@code name different-numbers repetitions highest-number}.
 */
public final class Tally {
    private Tally() {
    }

    public static void main(String[] args) {
        Map<String, BitSet> seen = new TreeMap<>();
        Map<String, Integer> repeated = new TreeMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", args[0], "enable.auto.commit", false), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (String topic : args[1].split(",")) {
                for (PartitionInfo info : consumer.partitionsFor(topic)) partitions.add(new TopicPartition(topic, info.partition()));
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                    String[] head = new String(record.value(), 0, Math.min(record.value().length, 60), StandardCharsets.ISO_8859_1).split(":", 3);
                    BitSet numbers = seen.computeIfAbsent(head[0], name -> new BitSet());
                    int number = Integer.parseInt(head[1]);
                    if (numbers.get(number)) repeated.merge(head[0], 1, Integer::sum);
                    numbers.set(number);
                }
            }
        }
        seen.forEach((name, numbers) -> System.out.println(name + " " + numbers.cardinality() + " " + repeated.getOrDefault(name, 0) + " " + (numbers.length() - 1)));
    }
}
