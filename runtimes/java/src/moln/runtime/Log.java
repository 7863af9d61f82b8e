package moln.runtime;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Map;

/** The function's log: framed records where the platform takes them, so that one message stays one event. */
final class Log implements LambdaLogger {
    private static final int FRAME_TEXT = 0xa55a0003;
    private static final int FRAME_JSON = 0xa55a0002;
    private static final int HEAD_BYTES = 16;
    private static final DateTimeFormatter STAMP = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);

    private final boolean json;
    private final LogLevel least;
    private OutputStream frames;
    volatile String requestId;
    volatile String tenantId;

    Log(String descriptor, String format, String level) {
        json = "JSON".equalsIgnoreCase(format);
        LogLevel least = LogLevel.UNDEFINED;
        try {
            least = json && level != null ? LogLevel.fromString(level) : least;
        } catch (IllegalArgumentException e) {
            // a level that we do not know hides nothing
        }
        this.least = least;
        try {
            Constructor<FileDescriptor> make = FileDescriptor.class.getDeclaredConstructor(Integer.TYPE);
            make.setAccessible(true);
            frames = descriptor == null ? null : new FileOutputStream(make.newInstance(Integer.parseInt(descriptor)));
        } catch (ReflectiveOperationException | RuntimeException e) {
            frames = null;
        }
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(String message, LogLevel level) {
        if (level != LogLevel.UNDEFINED && level.compareTo(least) < 0) {
            return;
        }
        String text = message == null ? "null" : message;
        if (json) {
            Map<String, Object> record = new LinkedHashMap<>();
            record.put("timestamp", STAMP.format(Instant.now()));
            record.put("message", text);
            record.put("level", level.name());
            if (requestId != null) {
                record.put("AWSRequestId", requestId);
            }
            if (tenantId != null) {
                record.put("tenantId", tenantId);
            }
            text = Json.write(record) + "\n";
        } else if (level != LogLevel.UNDEFINED) {
            text = "[" + level + "] " + text;
        }
        write(text.getBytes(StandardCharsets.UTF_8), level);
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        if (level == LogLevel.UNDEFINED || level.compareTo(least) >= 0) {
            write(message == null ? "null".getBytes(StandardCharsets.UTF_8) : message, level);
        }
    }

    /** An error of the function, which our log has in any format. */
    void failure(String text) {
        log(text, json ? LogLevel.ERROR : LogLevel.UNDEFINED);
    }

    private synchronized void write(byte[] body, LogLevel level) {
        if (frames == null) {
            System.out.write(body, 0, body.length);
            System.out.flush();
            return;
        }
        long now = System.currentTimeMillis() * 1000;
        int mask = level == LogLevel.UNDEFINED ? 0 : 4 * level.ordinal();
        ByteBuffer frame = ByteBuffer.allocate(HEAD_BYTES + body.length);
        frame.putInt((json ? FRAME_JSON : FRAME_TEXT) | mask).putInt(body.length).putLong(now).put(body);
        try {
            frames.write(frame.array());
        } catch (IOException e) {
            frames = null;
            System.out.write(body, 0, body.length);
        }
    }
}
