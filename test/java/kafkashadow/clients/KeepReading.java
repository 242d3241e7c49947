package kafkashadow.clients;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Consumers that read on until stdin ends, each in a group of its own, and that never let a position be reset:
 * {@code KeepReading BOOTSTRAP TOPIC GROUP:PROTOCOL:ISOLATION...}. A group that has committed nothing begins at offset 0.
 * Prints {@code GROUP record PARTITION OFFSET VALUE}, {@code GROUP assigned COUNT}, {@code GROUP failed CLASS MESSAGE}, and at the end
 * {@code GROUP committed PARTITION OFFSET}.
 */
public final class KeepReading {
    private static final Duration POLL = Duration.ofMillis(200);
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private KeepReading() {
    }

    public static void main(String[] args) throws Exception {
        AtomicBoolean isOver = new AtomicBoolean();
        List<Thread> threads = new ArrayList<>();
        for (int index = 2; index < args.length; index++) {
            String[] words = args[index].split(":");
            Thread thread = new Thread(() -> keepReading(args[0], args[1], words[0], words[1], words[2], isOver), words[0]);
            thread.start();
            threads.add(thread);
        }
        while (System.in.read() >= 0) {
            // Nothing is said to it.
        }
        isOver.set(true);
        for (Thread thread : threads) thread.join();
    }

    private static KafkaConsumer<String, String> consumer(String bootstrap, Map<String, String> settings) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "none");
        config.put("fetch.max.wait.ms", "100");
        config.put("default.api.timeout.ms", String.valueOf(PATIENCE.toMillis()));
        config.putAll(settings);
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    private static void keepReading(String bootstrap, String topic, String group, String protocol, String isolation, AtomicBoolean isOver) {
        try {
            beginAtStart(bootstrap, topic, group);
            Map<TopicPartition, Long> next = new HashMap<>();
            try (KafkaConsumer<String, String> consumer = consumer(bootstrap, Map.of("group.id", group, "group.protocol", protocol, "isolation.level", isolation))) {
                consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                    @Override
                    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                        say(group, "assigned " + partitions.size());
                    }

                    @Override
                    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                        // What matters is what is assigned then.
                    }
                });
                while (!isOver.get()) {
                    for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                        say(group, "record " + record.partition() + " " + record.offset() + " " + record.value());
                        next.put(new TopicPartition(topic, record.partition()), record.offset() + 1);
                    }
                    consumer.commitAsync();
                }
                Map<TopicPartition, OffsetAndMetadata> last = new HashMap<>();
                for (TopicPartition partition : consumer.assignment()) last.put(partition, new OffsetAndMetadata(next.getOrDefault(partition, consumer.position(partition))));
                consumer.commitSync(last, PATIENCE);
                last.forEach((partition, offset) -> say(group, "committed " + partition.partition() + " " + offset.offset()));
            }
        } catch (Exception exception) {
            say(group, "failed " + exception.getClass().getSimpleName() + " " + String.valueOf(exception.getMessage()).replace('\n', ' '));
        }
    }

    private static void beginAtStart(String bootstrap, String topic, String group) {
        try (KafkaConsumer<String, String> consumer = consumer(bootstrap, Map.of("group.id", group))) {
            Map<TopicPartition, OffsetAndMetadata> starts = new HashMap<>();
            Set<TopicPartition> partitions = new java.util.HashSet<>();
            consumer.partitionsFor(topic).forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            consumer.committed(partitions).forEach((partition, committed) -> {
                if (committed == null) starts.put(partition, new OffsetAndMetadata(0));
            });
            if (!starts.isEmpty()) consumer.commitSync(starts, PATIENCE);
        }
    }

    private static synchronized void say(String group, String what) {
        System.out.println(group + " " + what);
    }
}
