package kafkashadow.clients;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Several producers, each of its own kind, that write numbered records until stdin ends: {@code Load BOOTSTRAP TOPICS RATE}, topics with
 * commas, and the rate of each producer in records per second. Each value begins with {@code name:number:}. Then it prints a line for each
 * producer, {@code name acknowledged}. A record that could not be written ends it with exit code 1.
 */
public final class Load {
    private static final int ROUND_MS = 20;
    private final KafkaProducer<byte[], byte[]> producer;
    private final String name;
    private final int maxValueBytes;
    private final Random random;
    private final AtomicLong acknowledged = new AtomicLong();
    private long next;

    private Load(String bootstrap, String name, int maxValueBytes, Map<String, Object> config) {
        this.name = name;
        this.maxValueBytes = maxValueBytes;
        this.random = new Random(name.hashCode());
        Map<String, Object> all = new HashMap<>(config);
        all.put("bootstrap.servers", bootstrap);
        all.put("client.id", name);
        // Longer than any broker is away: a producer gives up on nothing.
        all.put("delivery.timeout.ms", 240_000);
        all.put("request.timeout.ms", 10_000);
        all.put("max.block.ms", 60_000);
        this.producer = new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    public static void main(String[] args) throws Exception {
        String[] topics = args[1].split(",");
        double perRound = Double.parseDouble(args[2]) * ROUND_MS / 1000;
        List<Load> loads = List.of(
            new Load(args[0], "idempotent-single", 100, Map.of("enable.idempotence", true, "acks", "all", "batch.size", 1, "linger.ms", 0)),
            new Load(args[0], "idempotent-zstd", 2000, Map.of("enable.idempotence", true, "acks", "all", "batch.size", 256 * 1024, "linger.ms", 50, "compression.type", "zstd")),
            new Load(args[0], "plain-lz4", 500, Map.of("enable.idempotence", false, "acks", "1", "linger.ms", 5, "compression.type", "lz4", "max.in.flight.requests.per.connection", 1)),
            new Load(args[0], "plain-large", 60_000, Map.of("enable.idempotence", false, "acks", "all", "batch.size", 512 * 1024, "linger.ms", 30, "compression.type", "snappy", "max.in.flight.requests.per.connection", 1)));
        AtomicReference<Exception> failure = new AtomicReference<>();
        double due = 0;
        while (System.in.available() == 0 && failure.get() == null) {
            for (due += perRound; due >= 1; due--) {
                for (Load load : loads) {
                    // The one of large records is slower, so that it does not make up all there is.
                    if (load.maxValueBytes < 10_000 || load.random.nextInt(8) == 0) load.send(topics[(int) (load.next % topics.length)], failure);
                }
            }
            Thread.sleep(ROUND_MS);
        }
        List<String> lines = new ArrayList<>();
        for (Load load : loads) {
            load.producer.close();
            lines.add(load.name + " " + load.acknowledged.get());
            if (load.acknowledged.get() != load.next && failure.get() == null) failure.set(new IllegalStateException(load.name + " sent " + load.next + " and " + load.acknowledged.get() + " were acknowledged"));
        }
        if (failure.get() != null) {
            failure.get().printStackTrace();
            System.exit(1);
        }
        for (String line : lines) System.out.println(line);
    }

    private void send(String topic, AtomicReference<Exception> failure) {
        String head = name + ":" + next++ + ":";
        byte[] value = new byte[head.length() + random.nextInt(maxValueBytes)];
        random.nextBytes(value);
        System.arraycopy(head.getBytes(StandardCharsets.US_ASCII), 0, value, 0, head.length());
        producer.send(new ProducerRecord<>(topic, null, null, value), (metadata, exception) -> {
            if (exception == null) acknowledged.incrementAndGet();
            else failure.compareAndSet(null, exception);
        });
    }
}
