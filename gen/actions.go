package main

import (
	"fmt"
	"slices"
	"strings"

	"moln.dev/moln/aws/smithy"
)

// rule says which IAM actions an operation needs where there is none of the
// operation's own name. No actions means the gateway has nothing to check from
// the table; why then says who does.
type rule struct {
	actions []string
	why     string
}

func needs(actions ...string) rule { return rule{actions: actions} }

// Reasons that occur more than once.
const (
	whyNewer   = "newer than the IAM data; AWS names the action after the operation"
	whyPerItem = "the service's authz.go finds actions and tables in the input"
)

// byVerb are the prefixes whose actions are HTTP methods.
var byVerb = map[string]bool{"apigateway": true}

// newer lists operations of which the IAM data does not know the action yet.
var newer = map[string][]string{
	"cloudformation": {"RemoveAlias", "SetAlias"},
	"cloudwatch": {
		"AssociateDatasetKmsKey", "CreateResourceMetricsConfiguration", "DeleteMetricDataQueryDefinition",
		"DeleteResourceMetricsConfiguration", "DescribeAlarmContributors", "DisassociateDatasetKmsKey",
		"GetMetricDataQueryDefinition", "GetResourceMetricsConfiguration", "ListMetricDataQueryDefinitions",
		"PutMetricDataQueryDefinition", "UpdateOTelEnrichment", "UpdateResourceMetricsConfiguration",
	},
	"cognitoidp": {
		"AdminListUserSessions", "AdminRevokeUserSession", "DescribeTermsByClient", "GetClientToken", "GetDerivedToken",
		"GetUserPoolClientSessionConfiguration", "GetUserPoolSessionConfiguration",
		"SetUserPoolClientSessionConfiguration", "SetUserPoolSessionConfiguration",
	},
	"dynamodb": {"CancelBulkOperation", "DescribeBulkOperation", "ListBulkOperations", "StartBulkPutItems"},
	"ecr": {
		"DescribeReplicationBackfillResults", "ListImageReferrers", "ListReplicationBackfills",
		"StartReplicationBackfill", "StopReplicationBackfill",
	},
	"iam":            {"AcquireRole", "UpdateDelegationRequest"},
	"kms":            {"Decapsulate", "Encapsulate"},
	"lambda":         {"DeleteDurableExecution", "PauseDurableExecution", "ResumeDurableExecution"},
	"logs":           {"GetLogObject"},
	"secretsmanager": {"AssociateCrossAccountReplica", "DisassociateCrossAccountReplica", "ListResourcePolicies"},
	"ssm":            {"DeregisterDefaultHostManagementConfiguration", "RegisterDefaultHostManagementConfiguration"},
}

// rules are the operations whose actions have other names.
var rules = map[string]map[string]rule{
	"apigatewayv2": {
		"PutRoutingRule": needs("apigateway:UpdateRoutingRule"),
	},
	"dynamodb": {
		"BatchExecuteStatement": {why: whyPerItem},
		"ExecuteStatement":      {why: whyPerItem},
		"ExecuteTransaction":    {why: whyPerItem},
		"TransactGetItems":      {why: whyPerItem},
		"TransactWriteItems":    {why: whyPerItem},
	},
	"kms": {
		"ReEncrypt": needs("kms:ReEncryptFrom", "kms:ReEncryptTo"),
	},
	"lambda": {
		"GetLayerVersionByArn":     needs("lambda:GetLayerVersion"),
		"Invoke":                   needs("lambda:InvokeFunction"),
		"InvokeAsync":              needs("lambda:InvokeFunction"),
		"InvokeWithResponseStream": needs("lambda:InvokeFunction"),
	},
	"s3": s3Rules,
	"s3control": {
		"DeleteAccessPointScope":              needs("s3express:DeleteAccessPointScope"),
		"DeleteBucketLifecycleConfiguration":  needs("s3-outposts:PutLifecycleConfiguration"),
		"DeleteBucketReplication":             needs("s3-outposts:PutReplicationConfiguration"),
		"DeleteBucketTagging":                 needs("s3-outposts:PutBucketTagging"),
		"DeletePublicAccessBlock":             needs("s3:PutAccountPublicAccessBlock"),
		"GetAccessPointScope":                 needs("s3express:GetAccessPointScope"),
		"GetBucket":                           needs("s3-outposts:GetBucket"),
		"GetBucketLifecycleConfiguration":     needs("s3-outposts:GetLifecycleConfiguration"),
		"GetBucketReplication":                needs("s3-outposts:GetReplicationConfiguration"),
		"GetPublicAccessBlock":                needs("s3:GetAccountPublicAccessBlock"),
		"ListAccessPointsForDirectoryBuckets": needs("s3express:ListAccessPointsForDirectoryBuckets"),
		"ListRegionalBuckets":                 needs("s3-outposts:ListRegionalBuckets"),
		"PutAccessPointScope":                 needs("s3express:PutAccessPointScope"),
		"PutBucketLifecycleConfiguration":     needs("s3-outposts:PutLifecycleConfiguration"),
		"PutBucketReplication":                needs("s3-outposts:PutReplicationConfiguration"),
		"PutPublicAccessBlock":                needs("s3:PutAccountPublicAccessBlock"),
	},
	"sns": {
		"PublishBatch": needs("sns:Publish"),
	},
	"sqs": {
		"ChangeMessageVisibilityBatch": needs("sqs:ChangeMessageVisibility"),
		"DeleteMessageBatch":           needs("sqs:DeleteMessage"),
		"SendMessageBatch":             needs("sqs:SendMessage"),
	},
	"sts": {
		"GetCallerIdentity": {why: "always allowed, even against an explicit deny"},
		"GetSessionToken":   {why: "needs no permission"},
		"GetAccessKeyInfo":  {why: "needs no permission"},
	},
}

// s3Rules: S3 named its actions before its operations. The version, ACL, tag
// and lock actions that depend on the request's parameters and headers are
// added by the service's authz.go.
var s3Rules = map[string]rule{
	"CompleteMultipartUpload":                     needs("s3:PutObject"),
	"CopyObject":                                  needs("s3:PutObject"), // and s3:GetObject on the source
	"CreateBucketMetadataConfiguration":           needs("s3:CreateBucketMetadataTableConfiguration"),
	"CreateMultipartUpload":                       needs("s3:PutObject"),
	"CreateSession":                               needs("s3express:CreateSession"),
	"DeleteBucketAnalyticsConfiguration":          needs("s3:PutAnalyticsConfiguration"),
	"DeleteBucketCors":                            needs("s3:PutBucketCORS"),
	"DeleteBucketEncryption":                      needs("s3:PutEncryptionConfiguration"),
	"DeleteBucketIntelligentTieringConfiguration": needs("s3:PutIntelligentTieringConfiguration"),
	"DeleteBucketInventoryConfiguration":          needs("s3:PutInventoryConfiguration"),
	"DeleteBucketLifecycle":                       needs("s3:PutLifecycleConfiguration"),
	"DeleteBucketMetadataConfiguration":           needs("s3:DeleteBucketMetadataTableConfiguration"),
	"DeleteBucketMetadataTableConfiguration":      needs("s3:DeleteBucketMetadataTableConfiguration"),
	"DeleteBucketMetricsConfiguration":            needs("s3:PutMetricsConfiguration"),
	"DeleteBucketOwnershipControls":               needs("s3:PutBucketOwnershipControls"),
	"DeleteBucketReplication":                     needs("s3:PutReplicationConfiguration"),
	"DeleteBucketTagging":                         needs("s3:PutBucketTagging"),
	"DeleteObjects":                               needs("s3:DeleteObject"),
	"DeletePublicAccessBlock":                     needs("s3:PutBucketPublicAccessBlock"),
	"GetBucketAccelerateConfiguration":            needs("s3:GetAccelerateConfiguration"),
	"GetBucketAnalyticsConfiguration":             needs("s3:GetAnalyticsConfiguration"),
	"GetBucketCors":                               needs("s3:GetBucketCORS"),
	"GetBucketEncryption":                         needs("s3:GetEncryptionConfiguration"),
	"GetBucketIntelligentTieringConfiguration":    needs("s3:GetIntelligentTieringConfiguration"),
	"GetBucketInventoryConfiguration":             needs("s3:GetInventoryConfiguration"),
	"GetBucketLifecycle":                          needs("s3:GetLifecycleConfiguration"),
	"GetBucketLifecycleConfiguration":             needs("s3:GetLifecycleConfiguration"),
	"GetBucketMetadataConfiguration":              needs("s3:GetBucketMetadataTableConfiguration"),
	"GetBucketMetricsConfiguration":               needs("s3:GetMetricsConfiguration"),
	"GetBucketNotificationConfiguration":          needs("s3:GetBucketNotification"),
	"GetBucketReplication":                        needs("s3:GetReplicationConfiguration"),
	"GetObjectLockConfiguration":                  needs("s3:GetBucketObjectLockConfiguration"),
	"GetPublicAccessBlock":                        needs("s3:GetBucketPublicAccessBlock"),
	"HeadBucket":                                  needs("s3:ListBucket"),
	"HeadObject":                                  needs("s3:GetObject"),
	"ListBucketAnalyticsConfigurations":           needs("s3:GetAnalyticsConfiguration"),
	"ListBucketIntelligentTieringConfigurations":  needs("s3:GetIntelligentTieringConfiguration"),
	"ListBucketInventoryConfigurations":           needs("s3:GetInventoryConfiguration"),
	"ListBucketMetricsConfigurations":             needs("s3:GetMetricsConfiguration"),
	"ListBuckets":                                 needs("s3:ListAllMyBuckets"),
	"ListDirectoryBuckets":                        needs("s3express:ListAllMyDirectoryBuckets"),
	"ListMultipartUploads":                        needs("s3:ListBucketMultipartUploads"),
	"ListObjectVersions":                          needs("s3:ListBucketVersions"),
	"ListObjects":                                 needs("s3:ListBucket"),
	"ListObjectsV2":                               needs("s3:ListBucket"),
	"ListParts":                                   needs("s3:ListMultipartUploadParts"),
	"PutBucketAccelerateConfiguration":            needs("s3:PutAccelerateConfiguration"),
	"PutBucketAnalyticsConfiguration":             needs("s3:PutAnalyticsConfiguration"),
	"PutBucketCors":                               needs("s3:PutBucketCORS"),
	"PutBucketEncryption":                         needs("s3:PutEncryptionConfiguration"),
	"PutBucketIntelligentTieringConfiguration":    needs("s3:PutIntelligentTieringConfiguration"),
	"PutBucketInventoryConfiguration":             needs("s3:PutInventoryConfiguration"),
	"PutBucketLifecycle":                          needs("s3:PutLifecycleConfiguration"),
	"PutBucketLifecycleConfiguration":             needs("s3:PutLifecycleConfiguration"),
	"PutBucketMetricsConfiguration":               needs("s3:PutMetricsConfiguration"),
	"PutBucketNotificationConfiguration":          needs("s3:PutBucketNotification"),
	"PutBucketReplication":                        needs("s3:PutReplicationConfiguration"),
	"PutObjectLockConfiguration":                  needs("s3:PutBucketObjectLockConfiguration"),
	"PutPublicAccessBlock":                        needs("s3:PutBucketPublicAccessBlock"),
	"RenameObject":                                needs("s3express:CreateSession"),
	"SelectObjectContent":                         needs("s3:GetObject"),
	"UploadPart":                                  needs("s3:PutObject"),
	"UploadPartCopy":                              needs("s3:PutObject"), // and s3:GetObject on the source
	"WriteGetObjectResponse":                      needs("s3-object-lambda:WriteGetObjectResponse"),
}

// actionsOf returns the IAM actions that a signed operation needs, or the
// reason why the table names none.
func actionsOf(service, prefix string, op *smithy.Operation, data *IAMData) ([]string, string, error) {
	if r, ok := rules[service][op.Name]; ok {
		return r.actions, r.why, nil
	}
	if _, ok := data.Actions[op.Name]; ok || slices.Contains(newer[service], op.Name) {
		return []string{prefix + ":" + op.Name}, "", nil
	}
	if byVerb[prefix] {
		return []string{prefix + ":" + op.Method}, "", nil
	}
	return nil, "", fmt.Errorf("%s: no IAM action for %s; give it a rule in gen/actions.go", service, op.Name)
}

// readOnly reports whether every action only reads. Where the data does not
// know an action, its name decides.
func readOnly(op *smithy.Operation, data *IAMData) bool {
	if len(op.Actions) == 0 {
		return readsByName(op.Name)
	}
	for _, action := range op.Actions {
		_, name, _ := strings.Cut(action, ":")
		known, ok := data.Actions[name]
		if !ok && !readsByName(name) {
			return false
		}
		if ok && known.Access != "Read" && known.Access != "List" {
			return false
		}
	}
	return true
}

func readsByName(name string) bool {
	for _, verb := range []string{"Get", "List", "Describe", "Head", "TransactGet"} {
		if strings.HasPrefix(name, verb) {
			return true
		}
	}
	return false
}
