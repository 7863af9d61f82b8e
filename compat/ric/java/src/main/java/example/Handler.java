package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** The function that every runtime interface client serves. */
public class Handler implements RequestHandler<Map<String, Object>, Object> {
    private static int calls;

    /** An error of the function's own. */
    public static class Bad extends RuntimeException {
        private static final long serialVersionUID = 1;

        Bad(String message) {
            super(message);
        }
    }

    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
        calls++;
        switch ((String) event.get("do")) {
            case "echo": return event.get("value");
            case "count": return calls;
            case "size": return ((String) event.get("value")).length();
            case "big": return String.join("", Collections.nCopies((Integer) event.get("bytes"), "x"));
            case "log": System.out.println("logged " + event.get("value")); return null;
            case "handled": throw new Bad("told to fail");
            case "thrown": throw new AssertionError("wrong");
            case "exit": Runtime.getRuntime().halt(3); return null;
            case "sleep": sleep(); return null;
            default: return told(context);
        }
    }

    private static void sleep() {
        try {
            Thread.sleep(60000);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Map<String, Object> told(Context context) {
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("request", context.getAwsRequestId());
        out.put("name", context.getFunctionName());
        out.put("version", context.getFunctionVersion());
        out.put("arn", context.getInvokedFunctionArn());
        out.put("memory", context.getMemoryLimitInMB());
        out.put("group", context.getLogGroupName());
        out.put("stream", context.getLogStreamName());
        out.put("left", context.getRemainingTimeInMillis());
        out.put("custom", context.getClientContext() == null ? null : context.getClientContext().getCustom().get("k"));
        out.put("region", System.getenv("AWS_REGION"));
        out.put("own", System.getenv("OWN"));
        out.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
        return out;
    }
}
