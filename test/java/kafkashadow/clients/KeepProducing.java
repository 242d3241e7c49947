package kafkashadow.clients;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * One producer that writes a record, waits for what becomes of it, and goes on, until stdin ends:
 * {@code KeepProducing BOOTSTRAP TOPIC [name=value ...]}. Prints a line for each: {@code ok PARTITION OFFSET} or
 * {@code failed CLASS MESSAGE}. With {@code transactional.id} every record is a transaction of its own.
 */
public final class KeepProducing {
    private static final int PAUSE_MS = 50;

    private KeepProducing() {
    }

    public static void main(String[] args) throws Exception {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", args[0]);
        config.put("delivery.timeout.ms", 10_000);
        config.put("request.timeout.ms", 5_000);
        config.put("max.block.ms", 10_000);
        config.put("linger.ms", 0);
        for (int index = 2; index < args.length; index++) {
            String[] setting = args[index].split("=", 2);
            config.put(setting[0], setting[1]);
        }
        boolean isTransactional = config.containsKey("transactional.id");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            if (isTransactional) producer.initTransactions();
            for (int number = 0; System.in.available() == 0; number++) {
                System.out.println(outcome(producer, new ProducerRecord<>(args[1], "java-" + number, "value " + number), isTransactional));
                Thread.sleep(PAUSE_MS);
            }
        }
    }

    private static String outcome(KafkaProducer<String, String> producer, ProducerRecord<String, String> record, boolean isTransactional) throws InterruptedException {
        try {
            if (isTransactional) producer.beginTransaction();
            RecordMetadata metadata = producer.send(record).get();
            if (isTransactional) producer.commitTransaction();
            return "ok " + metadata.partition() + " " + metadata.offset();
        } catch (ExecutionException exception) {
            if (isTransactional) producer.abortTransaction();
            return failed(exception.getCause());
        } catch (RuntimeException exception) {
            return failed(exception);
        }
    }

    private static String failed(Throwable thrown) {
        return "failed " + thrown.getClass().getSimpleName() + " " + String.valueOf(thrown.getMessage()).replace('\n', ' ');
    }
}
