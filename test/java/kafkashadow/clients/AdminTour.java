package kafkashadow.clients;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.config.ConfigResource;

/**
 * Asks every broker of a cluster what administrators ask every broker, and has topics created and deleted by whomever clients take for the
 * controller: {@code AdminTour BOOTSTRAP PREFIX COUNT}. Each of the COUNT topics is created by a client of its own, because one client
 * takes the same broker for the controller for a while. Prints {@code NAME ok DETAIL} or {@code NAME CLASS MESSAGE} for each.
 */
@SuppressWarnings({"deprecation", "removal"})
public final class AdminTour {
    private AdminTour() {
    }

    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[2]);
        List<String> topics = new ArrayList<>();
        List<String> controllers = new ArrayList<>();
        attempt("create", () -> {
            for (int number = 0; number < count; number++) {
                String topic = args[1] + number;
                try (Admin admin = admin(args[0])) {
                    controllers.add(String.valueOf(admin.describeCluster().controller().get().id()));
                    admin.createTopics(List.of(new NewTopic(topic, 1, (short) 2))).all().get();
                    topics.add(topic);
                }
            }
            return String.join(",", controllers);
        });
        try (Admin admin = admin(args[0])) {
            List<Integer> nodes = admin.describeCluster().nodes().get().stream().map(Node::id).sorted().toList();
            attempt("nodes", () -> nodes);
            attempt("groups", () -> admin.listConsumerGroups().all().get().stream().map(group -> group.groupId()).sorted().collect(Collectors.joining(",")));
            attempt("log-dirs", () -> admin.describeLogDirs(nodes).allDescriptions().get().keySet().stream().sorted().toList());
            attempt("transactions", () -> admin.listTransactions().all().get().size());
            attempt("topics", () -> admin.describeTopics(topics).allTopicNames().get().size());
            attempt("reassignments", () -> admin.listPartitionReassignments().reassignments().get().size());
            for (int node : nodes) attempt("configs-" + node, () -> admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(node)))).all().get().size());
            attempt("quorum", () -> admin.describeMetadataQuorum().quorumInfo().get().leaderId());
            attempt("features", () -> admin.describeFeatures().featureMetadata().get().finalizedFeatures().size());
        }
        attempt("delete", () -> {
            for (String topic : topics) {
                try (Admin admin = admin(args[0])) {
                    admin.deleteTopics(Set.of(topic)).all().get();
                }
            }
            return topics.size();
        });
    }

    private static Admin admin(String bootstrap) {
        return Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", 20_000, "request.timeout.ms", 10_000));
    }

    private static void attempt(String name, Callable<?> work) throws Exception {
        try {
            System.out.println(name + " ok " + work.call());
        } catch (ExecutionException exception) {
            Throwable cause = exception.getCause();
            System.out.println(name + " " + cause.getClass().getSimpleName() + " " + String.valueOf(cause.getMessage()).replace('\n', ' '));
        }
    }
}
