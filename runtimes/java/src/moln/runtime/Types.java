package moln.runtime;

import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.lang.reflect.Array;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;

/** Generic types with their variables put in. */
final class Types {
    private Types() {
    }

    /** A class and what its variables stand for. */
    static final class Bound {
        final Class<?> raw;
        final Type[] arguments; // as the class declares its variables
        final Map<TypeVariable<?>, Type> variables;

        Bound(Class<?> raw, Type[] arguments, Map<TypeVariable<?>, Type> variables) {
            this.raw = raw;
            this.arguments = arguments;
            this.variables = variables;
        }

        /** The n-th argument, Object where there is none. */
        Type argument(int n) {
            return n < arguments.length ? arguments[n] : Object.class;
        }
    }

    private static final Type[] NONE = {};

    static Bound bind(Type t, Map<TypeVariable<?>, Type> outer) {
        if (t instanceof Class) {
            return new Bound((Class<?>) t, NONE, inherited((Class<?>) t, Collections.emptyMap()));
        }
        if (t instanceof ParameterizedType) {
            ParameterizedType p = (ParameterizedType) t;
            Class<?> raw = (Class<?>) p.getRawType();
            Type[] arguments = p.getActualTypeArguments();
            Map<TypeVariable<?>, Type> own = new HashMap<>();
            for (int i = 0; i < arguments.length; i++) {
                arguments[i] = resolve(arguments[i], outer);
                own.put(raw.getTypeParameters()[i], arguments[i]);
            }
            return new Bound(raw, arguments, inherited(raw, own));
        }
        if (t instanceof GenericArrayType) {
            Type of = ((GenericArrayType) t).getGenericComponentType();
            return new Bound(Array.newInstance(bind(of, outer).raw, 0).getClass(), new Type[] {resolve(of, outer)}, outer);
        }
        if (t instanceof WildcardType) {
            return bind(((WildcardType) t).getUpperBounds()[0], outer);
        }
        Type known = outer.get(t);
        return bind(known != null && known != t ? known : ((TypeVariable<?>) t).getBounds()[0], outer);
    }

    /** A type whose own variables are replaced, where that can be said without making a new type. */
    private static Type resolve(Type t, Map<TypeVariable<?>, Type> variables) {
        if (t instanceof WildcardType) {
            return resolve(((WildcardType) t).getUpperBounds()[0], variables);
        }
        if (t instanceof ParameterizedType) {
            Type[] arguments = ((ParameterizedType) t).getActualTypeArguments();
            for (int i = 0; i < arguments.length; i++) {
                arguments[i] = resolve(arguments[i], variables);
            }
            return new Applied((ParameterizedType) t, arguments);
        }
        return variables.getOrDefault(t, t);
    }

    /** Adds what the super classes' variables stand for. */
    private static Map<TypeVariable<?>, Type> inherited(Class<?> raw, Map<TypeVariable<?>, Type> own) {
        Map<TypeVariable<?>, Type> all = own;
        Class<?> at = raw;
        for (; at != null && at.getGenericSuperclass() instanceof ParameterizedType; at = at.getSuperclass()) {
            ParameterizedType up = (ParameterizedType) at.getGenericSuperclass();
            all = new HashMap<>(all);
            for (int i = 0; i < up.getActualTypeArguments().length; i++) {
                all.put(at.getSuperclass().getTypeParameters()[i], resolve(up.getActualTypeArguments()[i], all));
            }
        }
        return all;
    }

    /** What face's variables stand for in type, or null where type has no such interface. */
    static Type[] parameters(Type type, Class<?> face, Map<TypeVariable<?>, Type> outer) {
        Bound b = bind(type, outer);
        if (b.raw == face) {
            return b.arguments.length > 0 ? b.arguments : face.getTypeParameters();
        }
        for (Type up : b.raw.getGenericInterfaces()) {
            Type[] found = parameters(up, face, b.variables);
            if (found != null) {
                return found;
            }
        }
        Type up = b.raw.getGenericSuperclass();
        return up == null ? null : parameters(up, face, b.variables);
    }

    private static final class Applied implements ParameterizedType {
        private final ParameterizedType of;
        private final Type[] arguments;

        Applied(ParameterizedType of, Type[] arguments) {
            this.of = of;
            this.arguments = arguments;
        }

        @Override
        public Type[] getActualTypeArguments() {
            return arguments.clone();
        }

        @Override
        public Type getRawType() {
            return of.getRawType();
        }

        @Override
        public Type getOwnerType() {
            return of.getOwnerType();
        }

        @Override
        public String toString() {
            return of.toString();
        }
    }
}
