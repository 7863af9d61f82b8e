package moln.runtime;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.util.LinkedHashMap;
import java.util.Map;

/** The context of one invocation, from the headers that came with its event. */
final class Invocation implements Context {
    private final Channel.Response from;
    private final LambdaLogger logger;

    Invocation(Channel.Response from, LambdaLogger logger) {
        this.from = from;
        this.logger = logger;
    }

    private static String env(String name) {
        return System.getenv(name);
    }

    @Override
    public String getAwsRequestId() {
        return from.header("lambda-runtime-aws-request-id");
    }

    @Override
    public String getLogGroupName() {
        return env("AWS_LAMBDA_LOG_GROUP_NAME");
    }

    @Override
    public String getLogStreamName() {
        return env("AWS_LAMBDA_LOG_STREAM_NAME");
    }

    @Override
    public String getFunctionName() {
        return env("AWS_LAMBDA_FUNCTION_NAME");
    }

    @Override
    public String getFunctionVersion() {
        return env("AWS_LAMBDA_FUNCTION_VERSION");
    }

    @Override
    public String getInvokedFunctionArn() {
        return from.header("lambda-runtime-invoked-function-arn");
    }

    @Override
    public int getRemainingTimeInMillis() {
        long left = Long.parseLong(from.header("lambda-runtime-deadline-ms")) - System.currentTimeMillis();
        return left > 0 ? (int) left : 0;
    }

    @Override
    public int getMemoryLimitInMB() {
        return Integer.parseInt(env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
    }

    @Override
    public LambdaLogger getLogger() {
        return logger;
    }

    @Override
    public String getTenantId() {
        return from.header("lambda-runtime-aws-tenant-id");
    }

    @Override
    public String getXrayTraceId() {
        return from.header("lambda-runtime-trace-id");
    }

    private Map<?, ?> header(String name) {
        String text = from.header(name);
        return text == null || text.isEmpty() ? null : (Map<?, ?>) Json.read(text);
    }

    private static String text(Map<?, ?> of, String name) {
        Object v = of.get(name);
        return v == null ? null : v.toString();
    }

    private static Map<String, String> texts(Object of) {
        if (!(of instanceof Map)) {
            return null;
        }
        Map<String, String> out = new LinkedHashMap<>();
        ((Map<?, ?>) of).forEach((k, v) -> out.put((String) k, v == null ? null : v instanceof String ? (String) v : Json.write(v)));
        return out;
    }

    @Override
    public CognitoIdentity getIdentity() {
        Map<?, ?> given = header("lambda-runtime-cognito-identity");
        if (given == null) {
            return null;
        }
        return new CognitoIdentity() {
            @Override
            public String getIdentityId() {
                return text(given, "cognitoIdentityId");
            }

            @Override
            public String getIdentityPoolId() {
                return text(given, "cognitoIdentityPoolId");
            }
        };
    }

    @Override
    public ClientContext getClientContext() {
        Map<?, ?> given = header("lambda-runtime-client-context");
        if (given == null) {
            return null;
        }
        return new ClientContext() {
            @Override
            public Client getClient() {
                return given.get("client") instanceof Map ? new App((Map<?, ?>) given.get("client")) : null;
            }

            @Override
            public Map<String, String> getCustom() {
                return texts(given.get("custom"));
            }

            @Override
            public Map<String, String> getEnvironment() {
                return texts(given.get("env"));
            }
        };
    }

    private static final class App implements Client {
        private final Map<?, ?> given;

        App(Map<?, ?> given) {
            this.given = given;
        }

        @Override
        public String getInstallationId() {
            return text(given, "installation_id");
        }

        @Override
        public String getAppTitle() {
            return text(given, "app_title");
        }

        @Override
        public String getAppVersionName() {
            return text(given, "app_version_name");
        }

        @Override
        public String getAppVersionCode() {
            return text(given, "app_version_code");
        }

        @Override
        public String getAppPackageName() {
            return text(given, "app_package_name");
        }
    }
}
