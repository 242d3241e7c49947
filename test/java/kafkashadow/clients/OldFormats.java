package kafkashadow.clients;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

/**
 * Writes a segment as brokers of long ago did, by Kafka's own classes: {@code OldFormats FILE ROUNDS FORMATS CODECS}, both lists with
 * commas. Each round has every format in turn, and of it every codec, with either kind of timestamp: format 0 has none, and format 2 is
 * written as leader epoch 0. Of what is not compressed every record is an entry of its own; a compressed entry holds several, some of them
 * with offsets left out, as a cleaner leaves it. Prints the offset after the last record, and how many records there are.
 */
public final class OldFormats {
    private static final long YEAR_2014 = 1_388_534_400_000L;
    private static final int KEYS = 40;

    private final Random random = new Random(20_261_126);
    private long next;
    private long end;
    private long timestamp = YEAR_2014;
    private int records;

    private OldFormats() {
    }

    public static void main(String[] args) throws IOException {
        OldFormats formats = new OldFormats();
        try (OutputStream file = Files.newOutputStream(Path.of(args[0]))) {
            for (int round = 0; round < Integer.parseInt(args[1]); round++) {
                for (String format : args[2].split(",")) {
                    for (String codec : args[3].split(",")) {
                        for (TimestampType type : new TimestampType[] {TimestampType.CREATE_TIME, TimestampType.LOG_APPEND_TIME}) {
                            if (type == TimestampType.CREATE_TIME || !format.equals("0")) file.write(formats.write(Byte.parseByte(format), codec, type));
                        }
                    }
                }
            }
        }
        System.out.println(formats.end + " " + formats.records);
    }

    private byte[] write(byte magic, String codec, TimestampType type) {
        timestamp += random.nextInt(60_000);
        try (MemoryRecordsBuilder builder = new MemoryRecordsBuilder(new ByteBufferOutputStream(512), magic, Compression.of(codec).build(), type, next,
            type == TimestampType.LOG_APPEND_TIME ? timestamp : RecordBatch.NO_TIMESTAMP, RecordBatch.NO_PRODUCER_ID, RecordBatch.NO_PRODUCER_EPOCH,
            RecordBatch.NO_SEQUENCE, false, false, magic == 2 ? 0 : RecordBatch.NO_PARTITION_LEADER_EPOCH, Integer.MAX_VALUE)) {
            int count = 1 + random.nextInt(8);
            for (int index = 0; index < count; index++) {
                byte[] key = random.nextInt(10) == 0 ? null : ("key-" + random.nextInt(KEYS)).getBytes(StandardCharsets.UTF_8);
                byte[] value = random.nextInt(10) == 0 ? null : (next + " grüße " + "x".repeat(random.nextInt(500))).getBytes(StandardCharsets.UTF_8);
                // Not in the order of time either.
                long time = magic == 0 ? RecordBatch.NO_TIMESTAMP : timestamp + random.nextInt(1000);
                builder.appendWithOffset(next, time, key, value);
                end = next + 1;
                next += random.nextInt(6) == 0 ? 3 : 1;
                records++;
            }
            ByteBuffer buffer = builder.build().buffer().duplicate();
            byte[] bytes = new byte[buffer.remaining()];
            buffer.get(bytes);
            return bytes;
        }
    }
}
