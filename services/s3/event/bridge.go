package event

import "strings"

// BridgeSource is the source of the events that EventBridge is given.
const BridgeSource = "aws.s3"

// Detail is what EventBridge is told of a change, in AWS's order.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
type Detail struct {
	Version   string       `json:"version"`
	Bucket    DetailBucket `json:"bucket"`
	Object    DetailObject `json:"object"`
	RequestID string       `json:"request-id"`
	Requester string       `json:"requester"`
	SourceIP  string       `json:"source-ip-address,omitempty"`
	Reason    string       `json:"reason,omitempty"`
	Deletion  string       `json:"deletion-type,omitempty"`

	Expires     string `json:"restore-expiry-time,omitempty"`
	SourceClass string `json:"source-storage-class,omitempty"`
	Class       string `json:"destination-storage-class,omitempty"`
	Tier        string `json:"destination-access-tier,omitempty"`
}

// DetailBucket names the bucket.
type DetailBucket struct {
	Name string `json:"name"`
}

// DetailObject is the object, whose key is not encoded here.
type DetailObject struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"etag,omitempty"`
	VersionID string `json:"version-id,omitempty"`
	Sequencer string `json:"sequencer,omitempty"`
}

// Bridged is the detail-type of an event, and its reason and kind of deletion
// where it has them; empty: EventBridge is not told of it.
func Bridged(event string) (detailType, reason, deletion string) {
	group, kind, _ := strings.Cut(event, ":")
	switch group {
	case "ObjectCreated":
		reasons := map[string]string{"Put": "PutObject", "Post": "POST Object", "Copy": "CopyObject", "CompleteMultipartUpload": "CompleteMultipartUpload"}
		return "Object Created", reasons[kind], ""
	case "ObjectRemoved":
		return "Object Deleted", "DeleteObject", deletionOf(kind)
	case "LifecycleExpiration":
		return "Object Deleted", "Lifecycle Expiration", deletionOf(kind)
	case "ObjectRestore":
		types := map[string]string{"Post": "Object Restore Initiated", "Completed": "Object Restore Completed", "Delete": "Object Restore Expired"}
		return types[kind], "", ""
	case "LifecycleTransition":
		return "Object Storage Class Changed", "", ""
	case "IntelligentTiering":
		return "Object Access Tier Changed", "", ""
	case "ObjectTagging":
		types := map[string]string{"Put": "Object Tags Added", "Delete": "Object Tags Deleted"}
		return types[kind], "", ""
	case "ObjectAcl":
		return "Object ACL Updated", "", ""
	}
	return "", "", ""
}

func deletionOf(kind string) string {
	if kind == "DeleteMarkerCreated" {
		return "Delete Marker Created"
	}
	return "Permanently Deleted"
}
