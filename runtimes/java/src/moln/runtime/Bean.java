package moln.runtime;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The properties of a class, by the rules for Java beans: public getters, setters and fields. */
final class Bean {
    private static final Map<Class<?>, Bean> KNOWN = new ConcurrentHashMap<>();

    /** One property. Any of these may be null. */
    static final class Property {
        final String name;
        Method getter;
        Method setter;
        Field field;

        Property(String name) {
            this.name = name;
        }

        boolean written() {
            return getter != null || field != null;
        }

        Object get(Object from) throws ReflectiveOperationException {
            return getter != null ? getter.invoke(from) : field.get(from);
        }

        Type type() {
            return setter != null ? setter.getGenericParameterTypes()[0] : field.getGenericType();
        }

        void set(Object to, Object value) throws ReflectiveOperationException {
            if (setter != null) {
                setter.invoke(to, value);
            } else {
                field.set(to, value);
            }
        }
    }

    final Map<String, Property> properties = new LinkedHashMap<>();
    /** AWS's event classes: names are compared without case and punctuation, and any field may be set. */
    final boolean event;
    private final Class<?> of;
    private final Map<String, Property> loose = new LinkedHashMap<>();

    static Bean of(Class<?> c) {
        Bean b = KNOWN.get(c);
        if (b == null) {
            b = new Bean(c);
            KNOWN.put(c, b);
        }
        return b;
    }

    private Bean(Class<?> c) {
        of = c;
        event = c.getName().startsWith("com.amazonaws.services.lambda.runtime.events.")
            || c.getName().startsWith("com.amazonaws.services.dynamodbv2.model.")
            || c.getName().startsWith("com.amazonaws.services.s3.event.");
        fields(c);
        record();
        for (Method m : c.getMethods()) {
            if (!Modifier.isStatic(m.getModifiers()) && m.getDeclaringClass() != Object.class && !m.isBridge()) {
                getter(m);
            }
        }
        for (Method m : c.getMethods()) {
            if (!Modifier.isStatic(m.getModifiers()) && !m.isBridge() && m.getParameterCount() == 1) {
                setter(m);
            }
        }
        if (event) {
            for (Property p : properties.values()) {
                loose.putIfAbsent(key(p.name), p);
            }
        }
    }

    /** The property that JSON calls so, if it can be set. */
    Property settable(String name) {
        Property p = event ? loose.get(key(name)) : properties.get(name);
        return p == null || p.setter == null && (p.field == null || Modifier.isFinal(p.field.getModifiers()) && !event) ? null : p;
    }

    private static String key(String name) {
        StringBuilder b = new StringBuilder();
        for (char c : name.toCharArray()) {
            if (Character.isLetterOrDigit(c)) {
                b.append(Character.toLowerCase(c));
            }
        }
        return b.toString();
    }

    private Property at(String name) {
        return properties.computeIfAbsent(name, Property::new);
    }

    /** Fields say the order of properties, also where they are not public. */
    private void fields(Class<?> c) {
        if (c == null || c == Object.class) {
            return;
        }
        fields(c.getSuperclass());
        for (Field f : c.getDeclaredFields()) {
            if (Modifier.isStatic(f.getModifiers()) || Modifier.isTransient(f.getModifiers()) || f.isSynthetic()) {
                continue;
            }
            Property p = at(f.getName());
            if (Modifier.isPublic(f.getModifiers()) || event) {
                p.field = open(f);
            }
        }
    }

    /** Records are written by their components. They cannot be read: AWS's serializer detects no constructors. */
    private void record() {
        try {
            if (of.getSuperclass() == null || !of.getSuperclass().getName().equals("java.lang.Record")) {
                return;
            }
            for (Object part : (Object[]) Class.class.getMethod("getRecordComponents").invoke(of)) {
                String name = (String) part.getClass().getMethod("getName").invoke(part);
                at(name).getter = open(of.getDeclaredMethod(name));
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private void getter(Method m) {
        String name = m.getName();
        Class<?> type = m.getReturnType();
        if (m.getParameterCount() > 0 || type == void.class) {
            return;
        }
        if (name.startsWith("get") && name.length() > 3) {
            at(property(name.substring(3))).getter = open(m);
        } else if (name.startsWith("is") && name.length() > 2 && (type == boolean.class || type == Boolean.class)) {
            Property p = at(property(name.substring(2)));
            p.getter = p.getter == null ? open(m) : p.getter;
        }
    }

    private void setter(Method m) {
        if (!m.getName().startsWith("set") || m.getName().length() == 3) {
            return;
        }
        Property p = at(property(m.getName().substring(3)));
        boolean fits = p.getter != null && p.getter.getReturnType() == m.getParameterTypes()[0];
        if (p.setter == null || fits) {
            p.setter = open(m);
        }
    }

    /** URL stays, Name becomes name. */
    private static String property(String s) {
        if (s.length() > 1 && Character.isUpperCase(s.charAt(0)) && Character.isUpperCase(s.charAt(1))) {
            return s;
        }
        return Character.toLowerCase(s.charAt(0)) + s.substring(1);
    }

    /** A new object whose properties are to be set. */
    Object make() throws ReflectiveOperationException {
        try {
            return open(of.getDeclaredConstructor()).newInstance();
        } catch (NoSuchMethodException e) {
            if (!event) {
                throw new IllegalArgumentException("Cannot construct instance of `" + of.getName()
                    + "` (no Creators, like default constructor, exist): cannot deserialize from Object value (no delegate- or property-based Creator)");
            }
        }
        Class<?> unsafe = Class.forName("sun.misc.Unsafe");
        Field the = open(unsafe.getDeclaredField("theUnsafe"));
        return unsafe.getMethod("allocateInstance", Class.class).invoke(the.get(null), of);
    }

    private static <T extends AccessibleObject> T open(T member) {
        try {
            member.setAccessible(true);
        } catch (RuntimeException e) {
            // a class of a module that does not open itself: what is public still works
        }
        return member;
    }
}
