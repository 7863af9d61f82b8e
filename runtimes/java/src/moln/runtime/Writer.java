package moln.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.InvocationTargetException;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** From objects to JSON's values. Null properties and entries are left out. */
final class Writer {
    private static final int DEPTH_MAX = 1000;
    private static final int NANO_DIGITS = 9;

    private Writer() {
    }

    static Object tree(Object v) {
        return tree(v, 0);
    }

    private static Object tree(Object v, int depth) {
        if (depth > DEPTH_MAX) {
            throw new IllegalArgumentException("Infinite recursion (StackOverflowError)");
        }
        if (v == null || v instanceof String || v instanceof Boolean || v instanceof Number && v.getClass().getName().startsWith("java.")) {
            return v;
        }
        if (v instanceof CharSequence || v instanceof Character) {
            return v.toString();
        }
        if (v instanceof Enum) {
            return ((Enum<?>) v).name();
        }
        if (v instanceof Map) {
            Map<String, Object> out = new LinkedHashMap<>();
            for (Map.Entry<?, ?> e : ((Map<?, ?>) v).entrySet()) {
                if (e.getValue() != null) {
                    out.put(e.getKey() instanceof Enum ? ((Enum<?>) e.getKey()).name() : String.valueOf(e.getKey()), tree(e.getValue(), depth + 1));
                }
            }
            return out;
        }
        if (v instanceof Iterable && !(v instanceof java.nio.file.Path)) {
            List<Object> out = new ArrayList<>();
            ((Iterable<?>) v).forEach(e -> out.add(tree(e, depth + 1)));
            return out;
        }
        if (v.getClass().isArray()) {
            return array(v, depth);
        }
        if (v instanceof Optional) {
            return tree(((Optional<?>) v).orElse(null), depth);
        }
        Object known = known(v);
        return known != null ? known : bean(v, depth);
    }

    private static Object array(Object v, int depth) {
        if (v instanceof byte[]) {
            return Base64.getEncoder().encodeToString((byte[]) v);
        }
        if (v instanceof char[]) {
            return new String((char[]) v);
        }
        List<Object> out = new ArrayList<>();
        for (int i = 0; i < Array.getLength(v); i++) {
            out.add(tree(Array.get(v, i), depth + 1));
        }
        return out;
    }

    /** Classes of the platform whose form is not that of a bean; null for all others. */
    private static Object known(Object v) {
        if (v instanceof Date) {
            return ((Date) v).getTime();
        } else if (v instanceof Calendar) {
            return ((Calendar) v).getTimeInMillis();
        } else if (v instanceof Instant) {
            return seconds(((Instant) v).getEpochSecond(), ((Instant) v).getNano());
        } else if (v instanceof OffsetDateTime) {
            return known(((OffsetDateTime) v).toInstant());
        } else if (v instanceof ZonedDateTime) {
            return known(((ZonedDateTime) v).toInstant());
        } else if (v instanceof Duration) {
            return seconds(((Duration) v).getSeconds(), ((Duration) v).getNano());
        } else if (v instanceof LocalDate) {
            return date((LocalDate) v);
        } else if (v instanceof LocalTime) {
            return time((LocalTime) v);
        } else if (v instanceof LocalDateTime) {
            List<Object> all = new ArrayList<>(date(((LocalDateTime) v).toLocalDate()));
            all.addAll(time(((LocalDateTime) v).toLocalTime()));
            return all;
        } else if (v instanceof ByteBuffer) {
            ByteBuffer b = ((ByteBuffer) v).duplicate();
            byte[] bytes = new byte[b.remaining()];
            b.get(bytes);
            return Base64.getEncoder().encodeToString(bytes);
        }
        String name = v.getClass().getName();
        boolean text = name.startsWith("java.util.UUID") || name.startsWith("java.net.UR") || name.startsWith("java.util.Locale")
            || name.startsWith("java.time.") || name.startsWith("org.joda.time.") || v instanceof java.nio.file.Path || v instanceof java.io.File
            || name.startsWith("java.util.concurrent.atomic.Atomic");
        return v instanceof Class ? ((Class<?>) v).getName() : text ? v.toString() : null;
    }

    private static Object seconds(long whole, int nanos) {
        return BigDecimal.valueOf(whole).add(BigDecimal.valueOf(nanos, NANO_DIGITS));
    }

    private static List<Object> date(LocalDate d) {
        return Arrays.asList(d.getYear(), d.getMonthValue(), d.getDayOfMonth());
    }

    private static List<Object> time(LocalTime t) {
        List<Object> out = new ArrayList<>(Arrays.asList(t.getHour(), t.getMinute()));
        if (t.getSecond() > 0 || t.getNano() > 0) {
            out.add(t.getSecond());
        }
        if (t.getNano() > 0) {
            out.add(t.getNano());
        }
        return out;
    }

    private static Object bean(Object v, int depth) {
        Map<String, Object> out = new LinkedHashMap<>();
        for (Bean.Property p : Bean.of(v.getClass()).properties.values()) {
            if (!p.written()) {
                continue;
            }
            try {
                Object value = p.get(v);
                if (value != null) {
                    out.put(p.name, tree(value, depth + 1));
                }
            } catch (InvocationTargetException e) {
                throw Fault.raise(e.getCause());
            } catch (ReflectiveOperationException e) {
                throw new IllegalArgumentException(e);
            }
        }
        return out;
    }
}
