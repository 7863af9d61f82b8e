package moln.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/** From JSON's values to objects of the handler's types. Writer is the way back. */
final class Mapper {
    private static final double MILLIS = 1000;
    private static final Map<Class<?>, Class<?>> BOXES = new HashMap<>();

    static {
        BOXES.put(int.class, Integer.class);
        BOXES.put(long.class, Long.class);
        BOXES.put(double.class, Double.class);
        BOXES.put(float.class, Float.class);
        BOXES.put(short.class, Short.class);
        BOXES.put(byte.class, Byte.class);
        BOXES.put(boolean.class, Boolean.class);
        BOXES.put(char.class, Character.class);
    }

    private Mapper() {
    }

    static Object read(Object json, Type type) {
        return read(json, type, Collections.emptyMap(), false);
    }

    private static Object read(Object json, Type type, Map<TypeVariable<?>, Type> variables, boolean event) {
        Types.Bound b = Types.bind(type, variables);
        Class<?> c = b.raw;
        if (json == null) {
            return c.isPrimitive() && c != void.class ? Array.get(Array.newInstance(c, 1), 0) : c == Optional.class ? Optional.empty() : null;
        }
        if (c == Object.class || c == java.io.Serializable.class) {
            return natural(json);
        }
        if (c.isPrimitive()) {
            c = BOXES.get(c);
        }
        if (Collection.class.isAssignableFrom(c) || c == Iterable.class) {
            return collection(json, b);
        }
        if (c.isArray()) {
            return array(json, b);
        }
        if (json instanceof List) {
            List<?> list = (List<?>) json;
            Object date = list.size() > 1 ? dated(list, c) : null;
            if (date != null) {
                return date;
            }
            if (list.size() > 1) {
                throw mismatch(c, json);
            }
            return list.isEmpty() ? null : read(list.get(0), type, variables, event);
        }
        if (Map.class.isAssignableFrom(c)) {
            return map(json, b);
        }
        if (c == Optional.class) {
            return Optional.ofNullable(read(json, b.argument(0), b.variables, event));
        }
        if (json instanceof Map) {
            return bean((Map<?, ?>) json, b);
        }
        return scalar(json, c, event);
    }

    /** Dates and times as lists of their parts; null for other classes. */
    private static Object dated(List<?> list, Class<?> c) {
        int[] n = new int[7];
        for (int i = 0; i < n.length && i < list.size(); i++) {
            if (!(list.get(i) instanceof Integer)) {
                return null;
            }
            n[i] = (Integer) list.get(i);
        }
        if (c == LocalDate.class && list.size() == 3) {
            return LocalDate.of(n[0], n[1], n[2]);
        }
        if (c == LocalTime.class) {
            return LocalTime.of(n[0], n[1], n[2], n[3]);
        }
        return c == LocalDateTime.class && list.size() >= 5 ? LocalDateTime.of(n[0], n[1], n[2], n[3], n[4], n[5], n[6]) : null;
    }

    /** JSON's own values; fractions are doubles. */
    private static Object natural(Object json) {
        if (json instanceof BigDecimal) {
            return ((BigDecimal) json).doubleValue();
        }
        if (json instanceof Map) {
            Map<String, Object> out = new LinkedHashMap<>();
            ((Map<?, ?>) json).forEach((k, v) -> out.put((String) k, natural(v)));
            return out;
        }
        if (json instanceof List) {
            List<Object> out = new ArrayList<>();
            ((List<?>) json).forEach(v -> out.add(natural(v)));
            return out;
        }
        return json;
    }

    private static IllegalArgumentException mismatch(Class<?> c, Object json) {
        String kind = json instanceof Map ? "Object value (token `JsonToken.START_OBJECT`)"
            : json instanceof List ? "Array value (token `JsonToken.START_ARRAY`)"
            : json instanceof String ? "String value (token `JsonToken.VALUE_STRING`)"
            : json instanceof Boolean ? "Boolean value (token `JsonToken.VALUE_" + json.toString().toUpperCase() + "`)"
            : json instanceof BigDecimal ? "Floating-point value (token `JsonToken.VALUE_NUMBER_FLOAT`)"
            : "Integer value (token `JsonToken.VALUE_NUMBER_INT`)";
        return new IllegalArgumentException("Cannot deserialize value of type `" + c.getName() + "` from " + kind);
    }

    @SuppressWarnings("unchecked")
    private static Object collection(Object json, Types.Bound b) {
        if ("".equals(json)) {
            return null;
        }
        Class<?> c = b.raw;
        Collection<Object> out;
        if (!c.isInterface() && !Modifier.isAbstract(c.getModifiers())) {
            out = (Collection<Object>) make(c);
        } else if (SortedSet.class.isAssignableFrom(c)) {
            out = new TreeSet<>();
        } else if (Set.class.isAssignableFrom(c)) {
            out = new LinkedHashSet<>();
        } else if (c == Queue.class || c == Deque.class) {
            out = new ArrayDeque<>();
        } else {
            out = new ArrayList<>();
        }
        List<?> items = json instanceof List ? (List<?>) json : Collections.singletonList(json);
        for (Object item : items) {
            out.add(read(item, b.argument(0), b.variables, false));
        }
        return out;
    }

    private static Object array(Object json, Types.Bound b) {
        Class<?> of = b.raw.getComponentType();
        if (json instanceof String && of == byte.class) {
            return Base64.getDecoder().decode((String) json);
        }
        if (json instanceof String && of == char.class) {
            return ((String) json).toCharArray();
        }
        List<?> items = json instanceof List ? (List<?>) json : Collections.singletonList(json);
        Object out = Array.newInstance(of, items.size());
        for (int i = 0; i < items.size(); i++) {
            Array.set(out, i, read(items.get(i), b.arguments.length > 0 ? b.argument(0) : of, b.variables, false));
        }
        return out;
    }

    @SuppressWarnings("unchecked")
    private static Object map(Object json, Types.Bound b) {
        if ("".equals(json)) {
            return null;
        }
        if (!(json instanceof Map)) {
            throw mismatch(b.raw, json);
        }
        Class<?> c = b.raw;
        Map<Object, Object> out;
        if (!c.isInterface() && !Modifier.isAbstract(c.getModifiers())) {
            out = (Map<Object, Object>) make(c);
        } else {
            out = SortedMap.class.isAssignableFrom(c) ? new TreeMap<>() : new LinkedHashMap<>();
        }
        Type[] of = Types.parameters(c, Map.class, b.variables);
        Type key = b.arguments.length == 2 ? b.arguments[0] : of[0];
        Type value = b.arguments.length == 2 ? b.arguments[1] : of[1];
        for (Map.Entry<?, ?> e : ((Map<?, ?>) json).entrySet()) {
            out.put(read(e.getKey(), key, b.variables, false), read(e.getValue(), value, b.variables, false));
        }
        return out;
    }

    private static Object make(Class<?> c) {
        try {
            return Bean.of(c).make();
        } catch (InvocationTargetException e) {
            throw Fault.raise(e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private static Object bean(Map<?, ?> json, Types.Bound b) {
        Class<?> c = b.raw;
        if (c.isPrimitive() || BOXES.containsValue(c) || c == String.class || c.isEnum() || Number.class.isAssignableFrom(c)) {
            throw mismatch(c, json);
        }
        if (c.isInterface() || Modifier.isAbstract(c.getModifiers())) {
            throw new IllegalArgumentException("Cannot construct instance of `" + c.getName()
                + "` (no Creators, like default constructor, exist): abstract types either need to be mapped to concrete types, have custom deserializer, or contain additional type information");
        }
        Bean bean = Bean.of(c);
        try {
            Object out = bean.make();
            for (Map.Entry<?, ?> e : json.entrySet()) {
                Bean.Property p = bean.settable((String) e.getKey());
                if (p != null) {
                    p.set(out, read(e.getValue(), p.type(), b.variables, bean.event));
                }
            }
            return out;
        } catch (InvocationTargetException e) {
            throw Fault.raise(e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private static Object scalar(Object json, Class<?> c, boolean event) {
        if (c.isInstance(json)) {
            return json;
        }
        if (c == String.class || c == CharSequence.class) {
            return json.toString();
        }
        if ("".equals(json)) {
            return null;
        }
        try {
            return converted(json, c, event);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("Cannot deserialize value of type `" + c.getName() + "` from String \"" + json + "\": not a valid representation");
        }
    }

    private static Object converted(Object json, Class<?> c, boolean event) {
        if (c == Boolean.class) {
            return json instanceof Number ? (Object) (((Number) json).intValue() != 0) : Boolean.valueOf(json.toString().trim());
        }
        if (c == Character.class && json.toString().length() == 1) {
            return json.toString().charAt(0);
        }
        if (c.isEnum()) {
            return constant(json, c);
        }
        if ((c == Number.class || Number.class.isAssignableFrom(c)) && (json instanceof Number || json instanceof String)) {
            return number(new BigDecimal(json.toString().trim()), c);
        }
        if (c == Date.class && json instanceof Number) {
            // Events tell seconds, everybody else milliseconds.
            return new Date(event ? Math.round(((Number) json).doubleValue() * MILLIS) : ((Number) json).longValue());
        }
        if (c == Instant.class && json instanceof Number) {
            BigDecimal seconds = new BigDecimal(json.toString());
            return Instant.ofEpochSecond(seconds.longValue(), seconds.remainder(BigDecimal.ONE).movePointRight(9).longValue());
        }
        if (json instanceof String) {
            return parsed((String) json, c);
        }
        throw mismatch(c, json);
    }

    private static Object constant(Object json, Class<?> c) {
        Object[] all = c.getEnumConstants();
        if (json instanceof Integer) {
            int n = (Integer) json;
            return n >= 0 && n < all.length ? all[n] : null;
        }
        for (Object one : all) {
            if (((Enum<?>) one).name().equals(json)) {
                return one;
            }
        }
        return null;
    }

    private static Object number(BigDecimal n, Class<?> c) {
        if (c == Integer.class) {
            return n.intValue();
        } else if (c == Long.class) {
            return n.longValue();
        } else if (c == Double.class || c == Number.class) {
            return n.doubleValue();
        } else if (c == Float.class) {
            return n.floatValue();
        } else if (c == Short.class) {
            return n.shortValue();
        } else if (c == Byte.class) {
            return n.byteValue();
        } else if (c == BigInteger.class) {
            return n.toBigInteger();
        } else if (c == BigDecimal.class) {
            return n;
        }
        throw mismatch(c, n);
    }

    /** Classes that know their own text: dates, UUID, URI, and joda's. */
    private static Object parsed(String text, Class<?> c) {
        if (c == UUID.class) {
            return UUID.fromString(text);
        }
        if (c == ByteBuffer.class) {
            return ByteBuffer.wrap(Base64.getDecoder().decode(text));
        }
        try {
            if (c == Date.class) {
                return Date.from(text.endsWith("Z") ? Instant.parse(text) : java.time.OffsetDateTime.parse(text).toInstant());
            }
            if (c == java.net.URI.class || c == java.net.URL.class) {
                return c.getConstructor(String.class).newInstance(text);
            }
            for (String name : new String[] {"parse", "of"}) {
                for (Class<?> given : new Class<?>[] {CharSequence.class, String.class}) {
                    Method m = factory(c, name, given);
                    if (m != null) {
                        return m.invoke(null, text);
                    }
                }
            }
        } catch (InvocationTargetException e) {
            throw new IllegalArgumentException("Cannot deserialize value of type `" + c.getName() + "` from String \"" + text + "\": " + Fault.message(e.getCause()));
        } catch (ReflectiveOperationException | java.time.DateTimeException e) {
            throw new IllegalArgumentException("Cannot deserialize value of type `" + c.getName() + "` from String \"" + text + "\"");
        }
        throw mismatch(c, text);
    }

    private static Method factory(Class<?> c, String name, Class<?> given) {
        boolean known = c.getName().startsWith("java.time.") || c.getName().startsWith("org.joda.time.");
        try {
            Method m = known ? c.getMethod(name, given) : null;
            return m != null && Modifier.isStatic(m.getModifiers()) ? m : null;
        } catch (NoSuchMethodException e) {
            return null;
        }
    }
}
