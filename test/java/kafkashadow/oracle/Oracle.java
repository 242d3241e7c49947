package kafkashadow.oracle;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;

/**
 * Answers what Kafka's own code makes of messages and batches. It reads questions from stdin and writes an answer to each, in
 * order, to stdout, until stdin ends. Both are frames: count:4 { length:4 bytes }. The first part of a question names it; the
 * first part of an answer is `ok` or `error`, where the second part is the stack.
 */
public final class Oracle {
    private Oracle() {
    }

    public static void main(String[] args) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
        // Whatever a library prints must not get between the frames.
        System.setOut(System.err);
        for (;;) {
            byte[][] question = read(in);
            if (question == null) return;
            byte[][] answer;
            String status = "ok";
            try {
                answer = answer(question);
            } catch (Throwable thrown) {
                status = "error";
                answer = new byte[][] {stack(thrown).getBytes(StandardCharsets.UTF_8)};
            }
            out.writeInt(answer.length + 1);
            write(out, status.getBytes(StandardCharsets.UTF_8));
            for (byte[] part : answer) write(out, part);
            if (in.available() == 0) out.flush();
        }
    }

    private static byte[][] answer(byte[][] question) throws Exception {
        String name = text(question[0]);
        switch (name) {
            case "apis": return new byte[][] {Messages.apis()};
            case "errors": return new byte[][] {Messages.errors()};
            case "message": return Messages.message(text(question[1]), Short.parseShort(text(question[2])), question[3], question[4]);
            case "convert": return new byte[][] {Messages.convert(text(question[1]), Short.parseShort(text(question[2])), Short.parseShort(text(question[3])), question[4])};
            case "record": return Messages.record(question[1]);
            case "build": return new byte[][] {Batches.build(question[1])};
            case "read": return new byte[][] {Batches.read(question[1])};
            default: throw new IllegalArgumentException("unknown question " + name);
        }
    }

    private static byte[][] read(DataInputStream in) throws IOException {
        int count;
        try {
            count = in.readInt();
        } catch (EOFException end) {
            return null;
        }
        byte[][] parts = new byte[count][];
        for (int index = 0; index < count; index++) {
            parts[index] = new byte[in.readInt()];
            in.readFully(parts[index]);
        }
        return parts;
    }

    private static void write(DataOutputStream out, byte[] part) throws IOException {
        out.writeInt(part.length);
        out.write(part);
    }

    private static String text(byte[] part) {
        return new String(part, StandardCharsets.UTF_8);
    }

    private static String stack(Throwable thrown) {
        Throwable cause = thrown instanceof InvocationTargetException ? thrown.getCause() : thrown;
        StringWriter text = new StringWriter();
        cause.printStackTrace(new PrintWriter(text));
        return text.toString();
    }
}
