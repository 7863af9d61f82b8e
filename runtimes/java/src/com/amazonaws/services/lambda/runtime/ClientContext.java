package com.amazonaws.services.lambda.runtime;

import java.util.Map;

/** What the caller told about itself in X-Amz-Client-Context. */
public interface ClientContext {
    Client getClient();

    Map<String, String> getCustom();

    Map<String, String> getEnvironment();
}
