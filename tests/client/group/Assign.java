// Answers assignment questions with Kafka's own assignors: one question a line, one answer a line.
// Run by record_assignments.py, which explains the format.

import java.io.*;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.internals.AbstractPartitionAssignor;
import org.apache.kafka.common.TopicPartition;

public class Assign {
    public static void main(String[] arguments) throws IOException {
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = questions.readLine()) != null; ) {
            String[] fields = line.split("\t");
            Map<String, Integer> counts = new HashMap<>();
            for (String pair : list(fields[1])) counts.put(pair.split("=")[0], Integer.valueOf(pair.split("=")[1]));
            Map<String, Subscription> members = new HashMap<>();
            for (int i = 2; i < fields.length; i++) {
                String[] parts = fields[i].split("\\|", -1);
                Subscription subscription = new Subscription(
                    list(parts[1]), userData(parts[4]), partitions(parts[2]), Integer.parseInt(parts[3]), Optional.empty());
                if (!parts[5].isEmpty()) subscription.setGroupInstanceId(Optional.of(parts[5]));
                members.put(parts[0], subscription);
            }
            AbstractPartitionAssignor assignor = switch (fields[0]) {
                case "range" -> new RangeAssignor();
                case "roundrobin" -> new RoundRobinAssignor();
                case "sticky" -> new StickyAssignor();
                default -> new CooperativeStickyAssignor();
            };
            StringJoiner answer = new StringJoiner("\t");
            for (var entry : new TreeMap<>(assignor.assign(counts, members)).entrySet()) {
                StringJoiner given = new StringJoiner(",");
                for (TopicPartition p : entry.getValue()) given.add(p.topic() + "-" + p.partition());
                answer.add(entry.getKey() + "|" + given);
            }
            System.out.println(answer);
        }
    }

    private static List<String> list(String text) {
        return text.isEmpty() ? List.of() : Arrays.asList(text.split(","));
    }

    private static List<TopicPartition> partitions(String text) {
        List<TopicPartition> found = new ArrayList<>();
        for (String name : list(text)) {
            int dash = name.lastIndexOf('-');
            found.add(new TopicPartition(name.substring(0, dash), Integer.parseInt(name.substring(dash + 1))));
        }
        return found;
    }

    private static ByteBuffer userData(String hex) {
        return hex.isEmpty() ? null : ByteBuffer.wrap(HexFormat.of().parseHex(hex));
    }
}
