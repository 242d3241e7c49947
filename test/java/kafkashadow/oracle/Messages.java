package kafkashadow.oracle;

import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import org.apache.kafka.common.errors.InvalidMetadataException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Readable;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.server.common.ApiMessageAndVersion;

/** Messages and the records of the metadata log, as Kafka's generated classes read and write them. */
final class Messages {
    static final JsonMapper MAPPER = new JsonMapper();
    /** Numbers as text: JavaScript's parser would round what is beyond 2^53. */
    static final ObjectWriter WRITER = JsonMapper.builder().enable(JsonWriteFeature.WRITE_NUMBERS_AS_STRINGS).build().writer();

    private Messages() {
    }

    /**
     * Takes a message as JSON and as bytes. Answers the bytes of what the JSON says, the JSON of what the bytes say, and the
     * bytes of what the bytes say: unknown tagged fields must have survived there.
     */
    static byte[][] message(String name, short version, byte[] json, byte[] bytes) throws Exception {
        Class<?> data = Class.forName(className(name));
        Class<?> converter = Class.forName(className(name) + "JsonConverter");
        Message fromJson = (Message) converter.getMethod("read", JsonNode.class, short.class).invoke(null, MAPPER.readTree(json), version);
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        Message fromBytes = (Message) data.getConstructor(Readable.class, short.class).newInstance(new ByteBufferAccessor(buffer), version);
        if (buffer.hasRemaining()) throw new IllegalArgumentException(buffer.remaining() + " bytes are left over");
        Object tree = converter.getMethod("write", data, short.class).invoke(null, fromBytes, version);
        return new byte[][] {bytesOf(fromJson, version), WRITER.writeValueAsBytes(tree), bytesOf(fromBytes, version)};
    }

    /** Takes a message as JSON of one version, and answers its bytes at another, unless that cannot carry it. */
    static byte[] convert(String name, short from, short to, byte[] json) throws Exception {
        Class<?> converter = Class.forName(className(name) + "JsonConverter");
        return bytesOf((Message) converter.getMethod("read", JsonNode.class, short.class).invoke(null, MAPPER.readTree(json), from), to);
    }

    /**
     * Takes the value of a record of the metadata log. Answers its name and version, and the value that Kafka's serde writes after
     * it has read this one.
     */
    static byte[][] record(byte[] value) throws Exception {
        ApiMessageAndVersion read = MetadataRecordSerde.INSTANCE.read(new ByteBufferAccessor(ByteBuffer.wrap(value)), value.length);
        ObjectNode node = MAPPER.createObjectNode();
        node.put("name", read.message().getClass().getSimpleName());
        node.put("version", read.version());
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer written = ByteBuffer.allocate(MetadataRecordSerde.INSTANCE.recordSize(read, cache));
        MetadataRecordSerde.INSTANCE.write(read, cache, new ByteBufferAccessor(written));
        return new byte[][] {MAPPER.writeValueAsBytes(node), written.array()};
    }

    /** Records have a package of their own, and no suffix. */
    private static String className(String name) {
        return name.endsWith("Record") ? "org.apache.kafka.common.metadata." + name : "org.apache.kafka.common.message." + name + "Data";
    }

    private static byte[] bytesOf(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) throw new IllegalStateException("the message is smaller than it says");
        return buffer.array();
    }

    /** Every API with its versions (unstable ones included), and the header versions of each of them. */
    static byte[] apis() throws Exception {
        ArrayNode all = MAPPER.createArrayNode();
        for (ApiKeys api : ApiKeys.values()) {
            ObjectNode node = all.addObject();
            node.put("key", api.id);
            node.put("name", api.messageType.name);
            ArrayNode versions = node.putArray("versions");
            for (int version = api.messageType.lowestSupportedVersion(); version <= api.messageType.highestSupportedVersion(true); version++) {
                ObjectNode row = versions.addObject();
                row.put("version", version);
                row.put("requestHeader", api.requestHeaderVersion((short) version));
                row.put("responseHeader", api.responseHeaderVersion((short) version));
            }
        }
        return MAPPER.writeValueAsBytes(all);
    }

    static byte[] errors() throws Exception {
        ArrayNode all = MAPPER.createArrayNode();
        for (Errors error : Errors.values()) {
            ObjectNode node = all.addObject();
            node.put("name", error.name());
            node.put("code", error.code());
            node.put("isRetriable", error.exception() instanceof RetriableException);
            node.put("meansStaleMetadata", error.exception() instanceof InvalidMetadataException);
        }
        return MAPPER.writeValueAsBytes(all);
    }
}
