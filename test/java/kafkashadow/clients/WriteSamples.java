package kafkashadow.clients;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes all that a topic can hold, with every codec, by an idempotent producer and by one that is not:
 * {@code WriteSamples BOOTSTRAP TOPIC PARTITIONS}. Prints how many records it wrote.
 */
public final class WriteSamples {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    /** Long before any retention and any window of timestamps. */
    private static final long YEAR_2001 = 978_307_200_000L;
    private static final int SMALL_RECORDS = 120;

    private final String topic;
    private final int partitions;
    private final Random random = new Random(20_260_727);
    private int written;

    private WriteSamples(String topic, int partitions) {
        this.topic = topic;
        this.partitions = partitions;
    }

    public static void main(String[] args) throws Exception {
        WriteSamples samples = new WriteSamples(args[1], Integer.parseInt(args[2]));
        for (String codec : CODECS) {
            samples.write(args[0], codec, true);
            samples.write(args[0], codec, false);
        }
        System.out.println(samples.written);
    }

    private void write(String bootstrap, String codec, boolean isIdempotent) throws Exception {
        Map<String, Object> config = Map.of(
            "bootstrap.servers", bootstrap,
            "compression.type", codec,
            "enable.idempotence", isIdempotent,
            "acks", "all",
            "linger.ms", 20,
            "batch.size", 64 * 1024,
            "max.request.size", 2 * 1024 * 1024);
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int partition = 0; partition < partitions; partition++) {
                // A batch of one record and nothing in it, which is as small as batches get.
                sent.add(producer.send(new ProducerRecord<>(topic, partition, 0L, null, null, List.of())));
                producer.flush();
                for (int index = 0; index < SMALL_RECORDS; index++) sent.add(producer.send(small(partition, index)));
                producer.flush();
                sent.add(producer.send(new ProducerRecord<>(topic, partition, YEAR_2001, bytes("large"), large())));
            }
            for (Future<RecordMetadata> record : sent) record.get();
            written += sent.size();
        }
    }

    private ProducerRecord<byte[], byte[]> small(int partition, int index) {
        byte[] key = index % 3 == 0 ? null : bytes("key-" + index);
        byte[] value = index % 5 == 0 ? null : bytes("value " + index + " grüße 漢字 " + "x".repeat(random.nextInt(400)));
        // Not in the order of time either.
        long timestamp = YEAR_2001 + random.nextInt(1_000_000_000);
        List<Header> headers = new ArrayList<>();
        for (int header = 0; header < index % 4; header++) headers.add(new RecordHeader("same-name", header == 1 ? null : bytes("header " + header)));
        if (index % 7 == 0) headers.add(new RecordHeader("", new byte[0]));
        return new ProducerRecord<>(topic, partition, timestamp, key, value, headers);
    }

    /** 900 KB, half of which no codec makes smaller. */
    private byte[] large() {
        byte[] value = new byte[900 * 1024];
        byte[] noise = new byte[value.length / 2];
        random.nextBytes(noise);
        System.arraycopy(noise, 0, value, 0, noise.length);
        return value;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
