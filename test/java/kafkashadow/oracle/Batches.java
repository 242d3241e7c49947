package kafkashadow.oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

/** Batches, as the Java producer and the broker make and read them. */
final class Batches {
    private Batches() {
    }

    /** Makes the batch that the JSON describes. */
    static byte[] build(byte[] json) throws IOException {
        JsonNode input = Messages.MAPPER.readTree(json);
        long producerId = input.path("producerId").asLong(-1);
        short producerEpoch = (short) input.path("producerEpoch").asInt(-1);
        int leaderEpoch = input.path("partitionLeaderEpoch").asInt(-1);
        long baseOffset = input.path("baseOffset").asLong(0);
        if (input.has("marker")) {
            EndTransactionMarker marker = new EndTransactionMarker(ControlRecordType.valueOf(input.get("marker").asText()), input.get("coordinatorEpoch").asInt());
            return bytesOf(MemoryRecords.withEndTransactionMarker(baseOffset, input.get("timestamp").asLong(), leaderEpoch, producerId, producerEpoch, marker));
        }
        if (input.has("emptied")) {
            ByteBuffer buffer = ByteBuffer.allocate(DefaultRecordBatch.RECORD_BATCH_OVERHEAD);
            DefaultRecordBatch.writeEmptyHeader(buffer, (byte) 2, producerId, producerEpoch, input.get("baseSequence").asInt(), baseOffset,
                input.get("lastOffset").asLong(), leaderEpoch, TimestampType.CREATE_TIME, input.get("timestamp").asLong(), false, false);
            return buffer.array();
        }
        boolean isAppendTime = input.has("logAppendTime");
        try (MemoryRecordsBuilder builder = new MemoryRecordsBuilder(new ByteBufferOutputStream(512),
            (byte) input.path("magic").asInt(2), compression(input), isAppendTime ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME,
            baseOffset, input.path("logAppendTime").asLong(-1), producerId, producerEpoch, input.path("baseSequence").asInt(-1),
            input.path("isTransactional").asBoolean(false), false, leaderEpoch, Integer.MAX_VALUE,
            input.path("deleteHorizonMs").asLong(RecordBatch.NO_TIMESTAMP))) {
            long next = baseOffset;
            for (JsonNode record : input.get("records")) {
                long offset = record.path("offset").asLong(next);
                Header[] headers = new Header[record.path("headers").size()];
                for (int index = 0; index < headers.length; index++) {
                    JsonNode header = record.get("headers").get(index);
                    headers[index] = new RecordHeader(header.get("key").asText(), bytes(header.get("value")));
                }
                builder.appendWithOffset(offset, record.get("timestamp").asLong(), bytes(record.get("key")), bytes(record.get("value")), headers);
                next = offset + 1;
            }
            if (input.has("lastOffset")) builder.overrideLastOffset(input.get("lastOffset").asLong());
            return bytesOf(builder.build());
        }
    }

    private static Compression compression(JsonNode input) {
        String name = input.path("codec").asText("none");
        if (!input.has("level")) return Compression.of(name).build();
        int level = input.get("level").asInt();
        switch (name) {
            case "gzip": return Compression.gzip().level(level).build();
            case "lz4": return Compression.lz4().level(level).build();
            case "zstd": return Compression.zstd().level(level).build();
            default: throw new IllegalArgumentException(name + " has no levels");
        }
    }

    private static byte[] bytes(JsonNode node) throws IOException {
        return node == null || node.isNull() ? null : node.binaryValue();
    }

    private static byte[] bytesOf(MemoryRecords records) {
        ByteBuffer buffer = records.buffer().duplicate();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    /** Checks batches as a broker does, and says what they hold. */
    static byte[] read(byte[] bytes) throws IOException {
        MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
        ArrayNode all = Messages.MAPPER.createArrayNode();
        int size = 0;
        for (RecordBatch batch : records.batches()) {
            batch.ensureValid();
            size += batch.sizeInBytes();
            ObjectNode node = all.addObject();
            node.put("magic", batch.magic());
            node.put("baseOffset", batch.baseOffset());
            node.put("lastOffset", batch.lastOffset());
            node.put("crc", batch.checksum());
            node.put("codec", batch.compressionType().name);
            node.put("isLogAppendTime", batch.timestampType() == TimestampType.LOG_APPEND_TIME);
            node.put("isTransactional", batch.isTransactional());
            node.put("isControl", batch.isControlBatch());
            node.put("maxTimestamp", batch.maxTimestamp());
            node.put("partitionLeaderEpoch", batch.partitionLeaderEpoch());
            node.put("producerId", batch.producerId());
            node.put("producerEpoch", batch.producerEpoch());
            node.put("baseSequence", batch.baseSequence());
            node.put("recordCount", batch.countOrNull());
            node.put("sizeBytes", batch.sizeInBytes());
            ArrayNode rows = node.putArray("records");
            for (var record : batch) {
                record.ensureValid();
                ObjectNode row = rows.addObject();
                row.put("offset", record.offset());
                row.put("timestamp", record.timestamp());
                row.put("key", bytes(record.key()));
                row.put("value", bytes(record.value()));
                ArrayNode headers = row.putArray("headers");
                for (Header header : record.headers()) headers.addObject().put("key", header.key()).put("value", header.value());
            }
        }
        if (size != bytes.length) throw new IllegalArgumentException(bytes.length - size + " bytes are left over");
        return Messages.WRITER.writeValueAsBytes(all);
    }

    private static byte[] bytes(ByteBuffer buffer) {
        if (buffer == null) return null;
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }
}
