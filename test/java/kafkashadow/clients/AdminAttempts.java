package kafkashadow.clients;

import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/**
 * Tries all that an administrator can do to a topic: {@code AdminAttempts BOOTSTRAP TOPIC}. Prints a line for each attempt:
 * {@code NAME ok} or {@code NAME CLASS MESSAGE}.
 */
public final class AdminAttempts {
    private AdminAttempts() {
    }

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0], "default.api.timeout.ms", 20_000, "request.timeout.ms", 10_000))) {
            attempt("describe", () -> admin.describeTopics(List.of(topic)).allTopicNames().get());
            attempt("alter", () -> admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "1000"), AlterConfigOp.OpType.SET)))).all().get());
            attempt("grow", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(64))).all().get());
            attempt("delete-records", () -> admin.deleteRecords(Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(1))).all().get());
            attempt("delete", () -> admin.deleteTopics(List.of(topic)).all().get());
        }
    }

    private static void attempt(String name, Callable<?> work) throws Exception {
        try {
            work.call();
            System.out.println(name + " ok");
        } catch (ExecutionException exception) {
            Throwable cause = exception.getCause();
            System.out.println(name + " " + cause.getClass().getSimpleName() + " " + String.valueOf(cause.getMessage()).replace('\n', ' '));
        }
    }
}
