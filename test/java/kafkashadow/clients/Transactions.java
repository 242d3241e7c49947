package kafkashadow.clients;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes interleaved transactions of several producers to partition 0 of topics, some of several batches, committed and aborted by
 * turns, and records that are part of none between them: {@code Transactions BOOTSTRAP TOPICS [TOPIC]}. In the last of these, one more
 * transaction has written records and is neither committed nor aborted when the program ends; others go on after it.
 */
public final class Transactions {
    private static final int PRODUCERS = 3;
    private static final int ROUNDS = 12;
    /** As long as brokers allow: what is left open stays open. */
    private static final int TIMEOUT_MS = 900_000;

    private Transactions() {
    }

    public static void main(String[] args) {
        for (String topic : args[1].split(",")) write(args[0], topic, args.length > 2 && args[2].equals(topic));
        System.out.println("written");
        System.out.flush();
        // To close a producer aborts what it has begun.
        Runtime.getRuntime().halt(0);
    }

    private static void write(String bootstrap, String topic, boolean leftOpen) {
        List<KafkaProducer<byte[], byte[]>> producers = new ArrayList<>();
        for (int index = 0; index < PRODUCERS; index++) producers.add(transactional(bootstrap, topic + "-" + index));
        KafkaProducer<byte[], byte[]> plain = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap, "acks", "all", "compression.type", "gzip"), new ByteArraySerializer(), new ByteArraySerializer());
        for (int round = 0; round < ROUNDS; round++) {
            if (leftOpen && round == ROUNDS - 2) {
                KafkaProducer<byte[], byte[]> open = transactional(bootstrap, topic + "-open");
                open.beginTransaction();
                send(open, topic, "open", round, 5);
            }
            round(topic, producers, plain, round);
        }
        for (KafkaProducer<byte[], byte[]> producer : producers) producer.close();
        plain.close();
    }

    private static void round(String topic, List<KafkaProducer<byte[], byte[]>> producers, KafkaProducer<byte[], byte[]> plain, int round) {
        for (KafkaProducer<byte[], byte[]> producer : producers) producer.beginTransaction();
        for (int batch = 0; batch <= round % 3; batch++) {
            for (int index = 0; index < producers.size(); index++) send(producers.get(index), topic, "transactional-" + index, round * 10 + batch, 1 + (round + index) % 4);
            send(plain, topic, "plain", round * 10 + batch, 2);
        }
        for (int index = 0; index < producers.size(); index++) {
            if ((round + index) % 3 == 0) producers.get(index).abortTransaction();
            else producers.get(index).commitTransaction();
        }
    }

    /** One batch. */
    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, String name, int number, int count) {
        for (int record = 0; record < count; record++) {
            byte[] value = (name + ":" + number + ":" + record + " ".repeat(200)).getBytes(StandardCharsets.UTF_8);
            producer.send(new ProducerRecord<>(topic, 0, ("key-" + record).getBytes(StandardCharsets.UTF_8), value));
        }
        producer.flush();
    }

    private static KafkaProducer<byte[], byte[]> transactional(String bootstrap, String id) {
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(Map.of(
            "bootstrap.servers", bootstrap,
            "transactional.id", id,
            "transaction.timeout.ms", TIMEOUT_MS,
            "linger.ms", 20), new ByteArraySerializer(), new ByteArraySerializer());
        producer.initTransactions();
        return producer;
    }
}
