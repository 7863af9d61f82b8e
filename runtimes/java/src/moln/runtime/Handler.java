package moln.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.ServiceLoader;

/** A function's handler, whatever its form: bytes in, bytes out. */
abstract class Handler {
    private static final byte[] NULL = "null".getBytes(StandardCharsets.US_ASCII);

    abstract byte[] call(byte[] event, Context context) throws Throwable;

    /**
     * Finds the handler of Class or Class::method. What cannot be called is a handler that fails; what breaks the
     * loading is a Fault.
     */
    static Handler load(String spec, ClassLoader loader) {
        int colons = spec == null ? -1 : spec.lastIndexOf("::");
        String name = colons < 0 ? spec : spec.substring(0, colons);
        String method = colons < 0 ? null : spec.substring(colons + 2);
        if (name == null || name.isEmpty() || method != null && method.isEmpty()) {
            return failing(Fault.of("Invalid handler: `" + spec + "'"));
        }
        Handler found;
        try {
            Class<?> c = Class.forName(name, true, loader);
            CustomPojoSerializer own = serializer(loader);
            found = method == null ? whole(c, own) : chosen(c, method, own);
        } catch (Fault f) {
            found = failing(f);
        } catch (ClassNotFoundException e) {
            found = failing(Fault.of("Class not found: " + name, e, false));
        } catch (Throwable t) {
            throw Fault.of("Error loading class " + name + (t.getMessage() == null ? "" : ": " + t.getMessage()), t, true);
        }
        if (found instanceof Failing && ((Failing) found).fault.fatal) {
            throw ((Failing) found).fault;
        }
        return found;
    }

    private static CustomPojoSerializer serializer(ClassLoader loader) {
        Iterator<CustomPojoSerializer> all = ServiceLoader.load(CustomPojoSerializer.class, loader).iterator();
        if (!all.hasNext()) {
            return null;
        }
        CustomPojoSerializer first = all.next();
        if (all.hasNext()) {
            throw Fault.of("Too many serializers provided. Only one is allowed.");
        }
        return first;
    }

    private static Handler failing(Fault f) {
        return new Failing(f);
    }

    private static final class Failing extends Handler {
        private final Fault fault;

        Failing(Fault fault) {
            this.fault = fault;
        }

        @Override
        byte[] call(byte[] event, Context context) {
            throw fault;
        }
    }

    /** A class that implements one of the interfaces. */
    @SuppressWarnings("unchecked")
    private static Handler whole(Class<?> c, CustomPojoSerializer own) throws Exception {
        if (RequestStreamHandler.class.isAssignableFrom(c)) {
            RequestStreamHandler h = (RequestStreamHandler) instance(c);
            return new Streams((in, out, context) -> {
                h.handleRequest(in, out, context);
                return true;
            });
        }
        if (!RequestHandler.class.isAssignableFrom(c)) {
            throw Fault.of("Class does not implement an appropriate handler interface: " + c.getName());
        }
        Type[] types = Types.parameters(c, RequestHandler.class, Collections.emptyMap());
        for (Type t : types) {
            if (t instanceof TypeVariable && ((TypeVariable<?>) t).getBounds()[0] == Object.class) {
                throw Fault.of("Class " + c.getName() + " does not implement RequestHandler with concrete type parameters: parameter "
                    + t + " has no upper bound.");
            }
        }
        RequestHandler<Object, Object> h = (RequestHandler<Object, Object>) instance(c);
        return new Objects(h::handleRequest, types[0], types[1], own);
    }

    private static Object instance(Class<?> c) throws Exception {
        Constructor<?> make;
        try {
            make = c.getConstructor();
        } catch (NoSuchMethodException e) {
            if (c.getEnclosingClass() != null && !Modifier.isStatic(c.getModifiers())) {
                throw Fault.of(new Exception("Class " + c.getName() + " cannot be instantiated because it is a non-static inner class"), false);
            }
            throw Fault.of(new Exception("Class " + c.getName() + " has no public zero-argument constructor", e), false);
        }
        try {
            return make.newInstance();
        } catch (InvocationTargetException e) {
            throw Fault.of(e.getCause(), true);
        }
    }

    /** The best method of that name: longer signatures win, and a Context at their end counts twice. */
    private static Handler chosen(Class<?> c, String name, CustomPojoSerializer own) throws Exception {
        List<Method> all = new ArrayList<>();
        for (Method m : c.getMethods()) {
            if (m.getName().equals(name)) {
                all.add(m);
            }
        }
        all.sort(Comparator.comparing(Method::isBridge).thenComparing(m -> -weight(m.getParameterTypes())));
        for (Method m : all) {
            Handler h = of(c, m, own);
            if (h != null) {
                return h;
            }
        }
        throw Fault.of("No public method named " + name + " with appropriate method signature found on class " + c.getName());
    }

    private static int weight(Class<?>[] given) {
        return given.length + (given.length > 0 && given[given.length - 1] == Context.class ? 1 : 0);
    }

    /** The handler that calls a method, or null where its signature is none for handlers. */
    private static Handler of(Class<?> c, Method m, CustomPojoSerializer own) throws Exception {
        Class<?>[] given = m.getParameterTypes();
        int rest = given.length;
        boolean context = rest > 0 && given[rest - 1] == Context.class;
        rest -= context ? 1 : 0;
        boolean out = rest > 0 && given[rest - 1] == OutputStream.class;
        rest -= out ? 1 : 0;
        boolean in = rest > 0 && given[0] == InputStream.class;
        if (in || out) {
            if (rest > (in ? 1 : 0)) {
                return null;
            }
            Object target = Modifier.isStatic(m.getModifiers()) ? null : instance(c);
            return new Streams((from, to, ctx) -> {
                invoke(m, target, arguments(given.length, in ? from : null, out ? to : null, context ? ctx : null));
                return out;
            });
        }
        if (rest > 1) {
            return null;
        }
        boolean event = rest == 1;
        Object target = Modifier.isStatic(m.getModifiers()) ? null : instance(c);
        Type type = event ? m.getGenericParameterTypes()[0] : null;
        return new Objects((input, ctx) -> {
            Object[] list = new Object[given.length];
            if (event) {
                list[0] = input;
            }
            if (context) {
                list[given.length - 1] = ctx;
            }
            return invoke(m, target, list);
        }, type, m.getGenericReturnType(), own);
    }

    private static Object[] arguments(int count, Object... some) {
        Object[] list = new Object[count];
        int at = 0;
        for (Object one : some) {
            if (one != null) {
                list[at++] = one;
            }
        }
        return list;
    }

    private static Object invoke(Method m, Object target, Object[] list) throws Throwable {
        try {
            return m.invoke(target, list);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private interface OfStreams {
        /** Returns whether the handler could write. */
        boolean call(InputStream in, OutputStream out, Context context) throws Throwable;
    }

    private static final class Streams extends Handler {
        private final OfStreams inner;

        Streams(OfStreams inner) {
            this.inner = inner;
        }

        @Override
        byte[] call(byte[] event, Context context) throws Throwable {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            return inner.call(new ByteArrayInputStream(event), out, context) ? out.toByteArray() : NULL;
        }
    }

    private interface OfObjects {
        Object call(Object input, Context context) throws Throwable;
    }

    private static final class Objects extends Handler {
        private final OfObjects inner;
        private final Type from; // null where the handler takes no event
        private final Type to;
        private final CustomPojoSerializer own;

        Objects(OfObjects inner, Type from, Type to, CustomPojoSerializer own) {
            this.inner = inner;
            this.from = from == Void.class ? null : from;
            this.to = to;
            this.own = own;
        }

        @Override
        byte[] call(byte[] event, Context context) throws Throwable {
            Object input = null;
            try {
                if (from != null) {
                    input = own != null ? own.fromJson(new ByteArrayInputStream(event), from)
                        : Mapper.read(Json.read(new String(event, StandardCharsets.UTF_8)), from);
                }
            } catch (Throwable t) {
                throw new RuntimeException("An error occurred during JSON parsing", Fault.cut(t, 0));
            }
            Object output = inner.call(input, context);
            if (to == void.class || to == Void.class) {
                return NULL;
            }
            try {
                if (own == null) {
                    return Json.write(Writer.tree(output)).getBytes(StandardCharsets.UTF_8);
                }
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                own.toJson(output, out, to);
                return out.toByteArray();
            } catch (Throwable t) {
                throw new RuntimeException("An error occurred during JSON serialization of response", t);
            }
        }
    }
}
