package moln.runtime;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal;
import java.io.BufferedOutputStream;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The Java bootstrap: it loads the handler and runs it for each event of the Runtime API. Nothing but the JDK is
 * needed; the answer to one event and the request for the next leave in one write.
 */
public final class Main {
    private static final String API = "/2018-06-01/runtime/";
    private static final String JSON = "Content-Type: application/json\r\n";
    private static final String TRACE_PROPERTY = "com.amazonaws.xray.traceHeader";
    private static final int LINE_BUFFER_BYTES = 8 << 10;

    private final Channel channel;
    private final Log log;
    private ClassLoader loader;

    private Main(Channel channel, Log log) {
        this.channel = channel;
        this.log = log;
    }

    public static void main(String[] args) throws Exception {
        if (args.length > 0 && args[0].equals("--warm")) {
            warm();
            return;
        }
        System.setOut(stream(FileDescriptor.out));
        System.setErr(stream(FileDescriptor.err));
        Log log = new Log(System.getenv("_LAMBDA_TELEMETRY_LOG_FD"), System.getenv("AWS_LAMBDA_LOG_FORMAT"), System.getenv("AWS_LAMBDA_LOG_LEVEL"));
        new Main(new Channel(System.getenv("AWS_LAMBDA_RUNTIME_API")), log).run();
    }

    /** Loads what every function needs, for an archive of classes. */
    private static void warm() throws Exception {
        Log log = new Log(null, null, null);
        Map<?, ?> read = (Map<?, ?>) Mapper.read(Json.read("{\"a\":[1,2.5,\"x\\n\",true,null]}"), Map.class);
        Json.write(Writer.tree(read));
        Json.write(error(Fault.of(new IllegalStateException("x"), false)));
        new Invocation(new Channel.Response(), log).getIdentity();
        try {
            Handler.load("moln.runtime.Nothing::handle", classes("/var/task", "/opt/java")).call(new byte[0], null);
        } catch (Throwable t) {
            error(t);
        }
        stream(FileDescriptor.out).println();
    }

    private static PrintStream stream(FileDescriptor fd) throws IOException {
        return new PrintStream(new BufferedOutputStream(new FileOutputStream(fd), LINE_BUFFER_BYTES), true, "UTF-8");
    }

    /** The function's own class path: its root, its lib/*.jar, the layers' java/lib/*.jar. */
    private static URLClassLoader classes(String root, String layers) throws MalformedURLException {
        List<URL> list = new ArrayList<>();
        list.add(new File(root + "/").toURI().toURL());
        for (String dir : new String[] {root + "/lib", layers + "/lib"}) {
            String[] names = new File(dir).list((d, name) -> name.endsWith(".jar"));
            if (names == null) {
                continue;
            }
            Arrays.sort(names);
            for (String name : names) {
                list.add(new File(dir, name).toURI().toURL());
            }
        }
        return new URLClassLoader(list.toArray(new URL[0]), Main.class.getClassLoader());
    }

    private void run() throws Exception {
        setLogger(log);
        loader = classes(System.getProperty("moln.task", "/var/task"), "/opt/java");
        Thread.currentThread().setContextClassLoader(loader);
        Handler handler = null;
        try {
            handler = Handler.load(System.getenv("_HANDLER"), loader);
        } catch (Fault f) {
            log.failure(f.report());
            System.out.flush();
            channel.send(channel.post(API + "init/error", body(error(f)), errorHeaders("Runtime.BadFunctionCode")));
            channel.receive();
            Runtime.getRuntime().halt(1);
        }
        channel.send(channel.get(API + "invocation/next"));
        while (true) {
            answer(handler, channel.receive());
            channel.receive();
        }
    }

    /** Runs the handler once, and sends what comes of it. */
    private void answer(Handler handler, Channel.Response event) throws IOException {
        Invocation context = new Invocation(event, log);
        String target = API + "invocation/" + context.getAwsRequestId();
        log.requestId = context.getAwsRequestId();
        log.tenantId = context.getTenantId();
        if (context.getXrayTraceId() == null) {
            System.clearProperty(TRACE_PROPERTY);
        } else {
            System.setProperty(TRACE_PROPERTY, context.getXrayTraceId());
        }
        byte[] post;
        boolean last = false;
        try {
            tellLog4j(context.getAwsRequestId());
            post = channel.post(target + "/response", handler.call(event.body, context), JSON);
            Thread.interrupted(); // what the handler left of it
        } catch (Throwable t) {
            Fault.cut(t, 0);
            Fault f = Fault.of(t, false);
            last = t instanceof VirtualMachineError || t instanceof java.io.IOError || f.fatal;
            log.failure(f.report());
            post = channel.post(target + "/error", body(error(t)), errorHeaders(t instanceof Fault ? "Runtime.BadFunctionCode" : "Runtime.UserException"));
        }
        System.out.flush();
        System.err.flush();
        if (last) {
            channel.send(post);
            channel.receive();
            Runtime.getRuntime().halt(1);
        }
        channel.send(Channel.join(post, channel.get(API + "invocation/next")));
    }

    private static byte[] body(Object v) {
        return Json.write(v).getBytes(StandardCharsets.UTF_8);
    }

    private static String errorHeaders(String kind) {
        return JSON + "Lambda-Runtime-Function-Error-Type: " + kind + "\r\n";
    }

    /** The object that callers see. Faults of ours have no stack. */
    private static Map<String, Object> error(Throwable t) {
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("errorMessage", Fault.message(t));
        if (t instanceof Fault) {
            if (((Fault) t).type != null) {
                out.put("errorType", ((Fault) t).type);
            }
            return out;
        }
        out.put("errorType", t.getClass().getName());
        List<Object> stack = new ArrayList<>();
        for (StackTraceElement e : t.getStackTrace()) {
            stack.add(e.toString());
        }
        out.put("stackTrace", stack);
        return out;
    }

    /** Gives LambdaRuntime our logger; it has no other way in. */
    private static void setLogger(LambdaLogger logger) throws ReflectiveOperationException {
        Field f = LambdaRuntime.class.getDeclaredField("logger");
        f.setAccessible(true);
        f.set(null, logger);
    }

    /** Puts the request's id where log4j's patterns look for it, if its appender is used. */
    private void tellLog4j(String id) {
        if (!LambdaRuntimeInternal.getUseLog4jAppender()) {
            return;
        }
        for (String name : new String[] {"org.apache.log4j.MDC", "org.apache.logging.log4j.ThreadContext"}) {
            try {
                Class<?> c = Class.forName(name, true, loader);
                Class<?> value = name.endsWith("MDC") ? Object.class : String.class;
                c.getMethod("put", String.class, value).invoke(null, "AWSRequestId", id);
            } catch (ReflectiveOperationException | LinkageError e) {
                // the one that this function does not use
            }
        }
    }
}
