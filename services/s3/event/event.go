// Package event has the language of S3's event notifications: which
// configurations there can be, which changes they mean, and the documents that
// functions, queues, topics and EventBridge are given. It delivers nothing.
package event

// Document is what a function is given, in AWS's order.
type Document struct {
	Records []Record `json:"Records"`
}

// Record tells one change.
type Record struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      Principal         `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                Entity            `json:"s3"`
	Aging
	Replication *Replication `json:"replicationEventData,omitempty"`
}

// Replication tells what became of a replication.
type Replication struct {
	RuleID      string `json:"replicationRuleId"`
	Destination string `json:"destinationBucket"`
	Operation   string `json:"s3Operation"`
	RequestTime string `json:"requestTime"`
	Reason      string `json:"failureReason"`
}

// Test is what a queue or a topic is given when it becomes a destination.
type Test struct {
	Service   string `json:"Service"`
	Event     string `json:"Event"`
	Time      string `json:"Time"`
	Bucket    string `json:"Bucket"`
	RequestID string `json:"RequestId"`
	HostID    string `json:"HostId"`
}

// Aging is what events of restores, transitions and tiers tell besides.
type Aging struct {
	Glacier   *Glacier   `json:"glacierEventData,omitempty"`
	Lifecycle *Lifecycle `json:"lifecycleEventData,omitempty"`
	Tiering   *Tiering   `json:"intelligentTieringEventData,omitempty"`
}

// Glacier tells until when a restored copy is there, and of which class.
type Glacier struct {
	Restore struct {
		Expires string `json:"lifecycleRestorationExpiryTime"`
		Class   string `json:"lifecycleRestoreStorageClass"`
	} `json:"restoreEventData"`
}

// Lifecycle tells where an object was moved.
type Lifecycle struct {
	Transition struct {
		Class string `json:"destinationStorageClass"`
	} `json:"transitionEventData"`
}

// Tiering tells to which archive tier an object has come.
type Tiering struct {
	Tier string `json:"destinationAccessTier"`
}

// Principal names who did it, or who owns the bucket.
type Principal struct {
	PrincipalID string `json:"principalId"`
}

// Entity is what was changed.
type Entity struct {
	SchemaVersion   string `json:"s3SchemaVersion"`
	ConfigurationID string `json:"configurationId"`
	Bucket          Bucket `json:"bucket"`
	Object          Object `json:"object"`
}

// Bucket is where the object is.
type Bucket struct {
	Name          string    `json:"name"`
	OwnerIdentity Principal `json:"ownerIdentity"`
	ARN           string    `json:"arn"`
}

// Object is what became of it.
type Object struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	VersionID string `json:"versionId,omitempty"`
	// Sequencer orders writes and deletions; other events have none.
	Sequencer string `json:"sequencer,omitempty"`
}

// TimeFormat is the form of EventTime.
const TimeFormat = "2006-01-02T15:04:05.000Z"
