"""A smoke of every service with boto3: `run [PART-OF-A-TEST'S-NAME]...`."""

import harness
import smoke_s3  # noqa: F401  (importing a module registers its tests)
import smoke_dynamodb  # noqa: F401
import smoke_lambda  # noqa: F401
import smoke_lambda_queues  # noqa: F401
import smoke_apigateway  # noqa: F401
import smoke_cognito  # noqa: F401
import smoke_iam  # noqa: F401
import smoke_cloudformation  # noqa: F401
import smoke_logs  # noqa: F401
import smoke_kms  # noqa: F401
import smoke_ecr  # noqa: F401
import smoke_sns  # noqa: F401
import smoke_events  # noqa: F401
import smoke_sqs  # noqa: F401
import smoke_refusals  # noqa: F401

harness.main()
