package com.amazonaws.services.lambda.runtime;

/** The identity pool's identity of the caller. */
public interface CognitoIdentity {
    String getIdentityId();

    String getIdentityPoolId();
}
