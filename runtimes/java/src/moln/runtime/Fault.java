package moln.runtime;

import java.io.PrintWriter;
import java.io.StringWriter;

/** A failure that is told with a message of ours, and without a stack. */
final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1;

    final String type; // a class name, or null
    final String trace; // for the log, or null
    final boolean fatal; // the process cannot go on

    private Fault(String message, String type, String trace, boolean fatal) {
        super(message, null, false, false);
        this.type = type;
        this.trace = trace;
        this.fatal = fatal;
    }

    static Fault of(String message) {
        return new Fault(message, null, null, false);
    }

    static Fault of(String message, Throwable cause, boolean fatal) {
        return new Fault(message, cause.getClass().getName(), trace(cause), fatal);
    }

    static Fault of(Throwable cause, boolean fatal) {
        return cause instanceof Fault ? (Fault) cause : of(message(cause), cause, fatal);
    }

    static String message(Throwable t) {
        return t.getLocalizedMessage() == null ? t.getClass().getName() : t.getLocalizedMessage();
    }

    static String trace(Throwable t) {
        StringWriter text = new StringWriter();
        cut(t, 0).printStackTrace(new PrintWriter(text));
        return text.toString();
    }

    /** What the log says. */
    String report() {
        if (type == null && trace == null) {
            return getMessage() + "\n";
        }
        return getMessage() + ": " + (type == null ? "" : type) + "\n" + (trace == null ? "" : trace) + "\n";
    }

    private static final int CAUSES_MAX = 50;
    private static final String OWN = Fault.class.getPackage().getName() + ".";

    /** Removes our own frames, and the reflection that called the handler. */
    static <T extends Throwable> T cut(T t, int depth) {
        StackTraceElement[] all = t.getStackTrace();
        for (int i = 0; i < all.length; i++) {
            if (!all[i].getClassName().startsWith(OWN)) {
                continue;
            }
            StackTraceElement[] kept = new StackTraceElement[i];
            System.arraycopy(all, 0, kept, 0, i);
            t.setStackTrace(kept);
            break;
        }
        if (t.getCause() != null && depth < CAUSES_MAX) {
            cut(t.getCause(), depth + 1);
        }
        return t;
    }

    /** Throws anything, checked or not. */
    @SuppressWarnings("unchecked")
    static <T extends Throwable> RuntimeException raise(Throwable t) throws T {
        throw (T) t;
    }
}
