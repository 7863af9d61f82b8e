package moln.runtime;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON as text and as Map, List, String, Number, Boolean and null. */
final class Json {
    private static final int DEPTH_MAX = 1000;

    private final String s;
    private int at;
    private int depth;

    private Json(String s) {
        this.s = s;
    }

    static Object read(String text) {
        Json p = new Json(text);
        p.space();
        Object v = p.value();
        p.space();
        if (p.at < text.length()) {
            throw p.bad("unexpected character");
        }
        return v;
    }

    private IllegalArgumentException bad(String what) {
        String found = at < s.length() ? " ('" + s.charAt(at) + "' (code " + (int) s.charAt(at) + "))" : ": end of input";
        return new IllegalArgumentException(what + found + " at offset " + at);
    }

    private void space() {
        while (at < s.length() && s.charAt(at) <= ' ') {
            at++;
        }
    }

    private Object value() {
        if (at == s.length()) {
            throw bad("no content to map");
        }
        if (++depth > DEPTH_MAX) {
            throw bad("nested too deeply");
        }
        try {
            switch (s.charAt(at)) {
                case '{': return object();
                case '[': return array();
                case '"': return string();
                case 't': return word("true", Boolean.TRUE);
                case 'f': return word("false", Boolean.FALSE);
                case 'n': return word("null", null);
                default: return number();
            }
        } finally {
            depth--;
        }
    }

    private Object word(String w, Object v) {
        if (!s.startsWith(w, at)) {
            throw bad("unrecognized token");
        }
        at += w.length();
        return v;
    }

    private Object object() {
        Map<String, Object> out = new LinkedHashMap<>();
        at++;
        space();
        if (eat('}')) {
            return out;
        }
        while (true) {
            space();
            if (at == s.length() || s.charAt(at) != '"') {
                throw bad("expected a field name");
            }
            String name = string();
            space();
            if (!eat(':')) {
                throw bad("expected a colon");
            }
            space();
            out.put(name, value());
            space();
            if (eat('}')) {
                return out;
            }
            if (!eat(',')) {
                throw bad("expected a comma");
            }
        }
    }

    private Object array() {
        List<Object> out = new ArrayList<>();
        at++;
        space();
        if (eat(']')) {
            return out;
        }
        while (true) {
            space();
            out.add(value());
            space();
            if (eat(']')) {
                return out;
            }
            if (!eat(',')) {
                throw bad("expected a comma");
            }
        }
    }

    private boolean eat(char c) {
        if (at < s.length() && s.charAt(at) == c) {
            at++;
            return true;
        }
        return false;
    }

    private String string() {
        int from = ++at;
        while (at < s.length() && s.charAt(at) != '"' && s.charAt(at) != '\\') {
            at++;
        }
        if (at < s.length() && s.charAt(at) == '"') {
            return s.substring(from, at++);
        }
        StringBuilder b = new StringBuilder(s.substring(from, at));
        while (at < s.length()) {
            char c = s.charAt(at++);
            if (c == '"') {
                return b.toString();
            }
            b.append(c == '\\' ? escape() : c);
        }
        throw bad("unterminated string");
    }

    private char escape() {
        if (at == s.length()) {
            throw bad("unterminated escape");
        }
        char c = s.charAt(at++);
        switch (c) {
            case 'b': return '\b';
            case 'f': return '\f';
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'u': break;
            default: return c;
        }
        if (at + 4 > s.length()) {
            throw bad("unterminated escape");
        }
        int code = Integer.parseInt(s.substring(at, at + 4), 16);
        at += 4;
        return (char) code;
    }

    private Object number() {
        int from = at;
        boolean whole = true;
        while (at < s.length() && "+-0123456789.eE".indexOf(s.charAt(at)) >= 0) {
            whole &= ".eE".indexOf(s.charAt(at)) < 0;
            at++;
        }
        String text = s.substring(from, at);
        try {
            if (!whole) {
                return new BigDecimal(text);
            }
            BigInteger n = new BigInteger(text);
            if (n.bitLength() < Integer.SIZE) {
                return n.intValue();
            }
            return n.bitLength() < Long.SIZE ? (Object) n.longValue() : n;
        } catch (NumberFormatException e) {
            at = from;
            throw bad("unrecognized token");
        }
    }

    static String write(Object v) {
        StringBuilder b = new StringBuilder();
        write(v, b);
        return b.toString();
    }

    private static void write(Object v, StringBuilder b) {
        if (v == null || v instanceof Boolean) {
            b.append(v);
        } else if (v instanceof Number) {
            String text = v.toString();
            boolean none = v instanceof Double && !Double.isFinite((Double) v) || v instanceof Float && !Float.isFinite((Float) v);
            b.append(none ? "\"" + text + "\"" : text);
        } else if (v instanceof Map) {
            char between = '{';
            for (Map.Entry<?, ?> e : ((Map<?, ?>) v).entrySet()) {
                b.append(between);
                quote(String.valueOf(e.getKey()), b);
                b.append(':');
                write(e.getValue(), b);
                between = ',';
            }
            b.append(between == '{' ? "{}" : "}");
        } else if (v instanceof Iterable) {
            char between = '[';
            for (Object e : (Iterable<?>) v) {
                b.append(between);
                write(e, b);
                between = ',';
            }
            b.append(between == '[' ? "[]" : "]");
        } else {
            quote(v.toString(), b);
        }
    }

    private static final String HEX = "0123456789ABCDEF";

    private static void quote(String s, StringBuilder b) {
        b.append('"');
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            int known = "\"\\\b\f\n\r\t".indexOf(c);
            if (known >= 0) {
                b.append('\\').append("\"\\bfnrt".charAt(known));
            } else if (c < ' ') {
                b.append("\\u00").append(HEX.charAt(c >> 4)).append(HEX.charAt(c & 15));
            } else {
                b.append(c);
            }
        }
        b.append('"');
    }
}
