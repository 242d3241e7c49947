package kafkashadow.clients;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes the same keys to partition 0 of topics over and over again, several megabytes of them, so that a cleaner has something to do:
 * {@code Rewrites BOOTSTRAP TOPICS SEED}. Of some batches it leaves all, of some a part, and of some nothing: of those, it keeps the
 * header where it is the last of an idempotent producer.
 */
public final class Rewrites {
    private static final String[] CODECS = {"none", "gzip"};
    private static final int PRODUCERS = 4;
    private static final int BATCHES = 40;
    private static final int RECORDS = 10;
    private static final int KEYS = 30;
    /** More than a segment, of records that nothing comes after. */
    private static final int LAST_RECORDS = 600;
    private static final int VALUE_BYTES = 2000;

    private Rewrites() {
    }

    public static void main(String[] args) {
        for (String topic : args[1].split(",")) write(args[0], topic, new Random(Long.parseLong(args[2])));
        System.out.println("written");
    }

    private static void write(String bootstrap, String topic, Random random) {
        for (int producer = 0; producer < PRODUCERS; producer++) {
            for (String codec : CODECS) {
                for (boolean isIdempotent : new boolean[] {true, false}) write(bootstrap, topic, random, codec, isIdempotent, producer);
            }
        }
        try (KafkaProducer<byte[], byte[]> last = producer(bootstrap, "none", true)) {
            for (int record = 0; record < LAST_RECORDS; record++) send(last, topic, random, "last-" + record % KEYS);
        }
    }

    private static void write(String bootstrap, String topic, Random random, String codec, boolean isIdempotent, int number) {
        try (KafkaProducer<byte[], byte[]> producer = producer(bootstrap, codec, isIdempotent)) {
            for (int batch = 0; batch < BATCHES / PRODUCERS; batch++) {
                for (int record = 0; record < RECORDS; record++) {
                    boolean isKept = batch % 5 == 1 && record % 4 == 0;
                    send(producer, topic, random, isKept ? "kept-" + random.nextLong() : "key-" + random.nextInt(KEYS));
                }
                if (batch % 4 == 3) producer.send(new ProducerRecord<>(topic, 0, bytes("key-" + number), null));
                producer.flush();
            }
        }
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, Random random, String key) {
        byte[] value = new byte[VALUE_BYTES];
        random.nextBytes(value);
        producer.send(new ProducerRecord<>(topic, 0, bytes(key), value));
    }

    private static KafkaProducer<byte[], byte[]> producer(String bootstrap, String codec, boolean isIdempotent) {
        return new KafkaProducer<>(Map.of(
            "bootstrap.servers", bootstrap,
            "compression.type", codec,
            "enable.idempotence", isIdempotent,
            "acks", "all",
            "linger.ms", 20,
            "batch.size", 64 * 1024), new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
