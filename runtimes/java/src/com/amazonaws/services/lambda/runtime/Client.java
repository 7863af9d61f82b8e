package com.amazonaws.services.lambda.runtime;

/** The client application of an invocation through a mobile SDK. */
public interface Client {
    String getInstallationId();

    String getAppTitle();

    String getAppVersionName();

    String getAppVersionCode();

    String getAppPackageName();
}
