package op

import (
	"context"
	"maps"
	"reflect"
	"strings"

	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// reached is what was found out about a request before it was judged.
type reached struct {
	point *store.AccessPoint // that the bucket is named by; nil: by its own name
	asked string             // the alias or the ARN
	// object is the version that the judgement was about, until it is taken.
	object *store.Object
	at     Aim
	bucket string // the bucket's id
}

// Keep leaves the version that a request is judged by to who answers it, so that
// it is read once, and what was allowed is what is shown.
func Keep(c *service.Call, b *store.Bucket, at Aim, o *store.Object) {
	if o == nil {
		return
	}
	r, ok := c.Found.(*reached)
	if !ok {
		r = new(reached)
		c.Found = r
	}
	r.object, r.at, r.bucket = o, at, b.ID
}

// taken gives what Keep left, once; nil if it is not what is asked for.
func taken(c *service.Call, b *store.Bucket, key string, version *string) *store.Object {
	r, ok := c.Found.(*reached)
	if !ok || r.object == nil || r.bucket != b.ID || r.at.Key != key || (r.at.Version == nil) != (version == nil) || smithy.Val(r.at.Version) != smithy.Val(version) {
		return nil
	}
	o := r.object
	r.object = nil
	return o
}

// PointOf is the access point that a call goes through; nil: none.
func PointOf(c *service.Call) *store.AccessPoint {
	if r, ok := c.Found.(*reached); ok {
		return r.point
	}
	return nil
}

// Asked is the bucket's name as the request has it, for answers.
func Asked(c *service.Call, name *string) *string {
	if r, ok := c.Found.(*reached); ok && r.point != nil {
		return new(r.asked)
	}
	return name
}

// Reach finds the bucket that a name stands for: its own, the alias of an access
// point, or an access point's ARN. The call that comes back goes through the
// access point, and is c where there is none.
func Reach(ctx context.Context, c *service.Call, st *store.Store, name string) (*store.Bucket, *service.Call, error) {
	p, err := point(ctx, st, name)
	if err != nil {
		return nil, nil, err
	}
	through := *c
	through.Found = nil
	if p != nil {
		through.Found = &reached{point: p, asked: name}
		name = p.Bucket
	}
	b, err := st.Bucket(ctx, name)
	if err == nil && p != nil && b.ID != p.BID {
		err = s3err.NoSuchBucket(name) // another bucket of that name
	}
	return b, &through, err
}

func point(ctx context.Context, st *store.Store, name string) (*store.AccessPoint, error) {
	switch {
	case strings.HasSuffix(name, naming.AliasSuffix):
		return st.PointOfAlias(ctx, name)
	case strings.HasPrefix(name, "arn:"):
		p, key, ok := naming.ParsePoint(name)
		if !ok || key != "" {
			return nil, s3err.InvalidRequest("The specified access point name or account is not valid.")
		}
		return st.Point(ctx, p)
	}
	return nil, nil
}

// throughPoints are the operations that access points allow.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-service-api-support.html
var throughPoints = map[string]bool{
	"AbortMultipartUpload": true, "CompleteMultipartUpload": true, "CopyObject": true, "CreateMultipartUpload": true,
	"DeleteObject": true, "DeleteObjects": true, "DeleteObjectTagging": true, "GetBucketAcl": true, "GetBucketCors": true,
	"GetBucketLocation": true, "GetBucketNotificationConfiguration": true, "GetBucketPolicy": true, "GetObject": true,
	"GetObjectAcl": true, "GetObjectAttributes": true, "GetObjectLegalHold": true, "GetObjectRetention": true,
	"GetObjectTagging": true, "HeadBucket": true, "HeadObject": true, "ListMultipartUploads": true, "ListObjects": true,
	"ListObjectsV2": true, "ListObjectVersions": true, "ListParts": true, "PutObject": true, "PutObjectAcl": true,
	"PutObjectLegalHold": true, "PutObjectRetention": true, "PutObjectTagging": true, "RestoreObject": true,
	"UpdateObjectEncryption": true, "UploadPart": true, "UploadPartCopy": true,
}

// Resolve lets an input that names its bucket by an access point name the bucket
// itself, and c remember the access point.
func Resolve(ctx context.Context, c *service.Call, st *store.Store, model *smithy.Operation, in any) (*store.Bucket, error) {
	v := reflect.ValueOf(in).Elem()
	name := AimOf(in).Bucket
	if arn, isPoint := strings.CutSuffix(name, ":accesspoint"); isPoint {
		// The ARN's slash was not encoded: the access point's name begins the key.
		name = splitPoint(arn, v.FieldByName("Key"))
	}
	b, through, err := Reach(ctx, c, st, name)
	if err != nil {
		return nil, err
	}
	if c.Found = through.Found; c.Found != nil {
		if !throughPoints[model.Name] {
			return nil, s3err.MethodNotAllowed()
		}
		v.FieldByName("Bucket").Set(reflect.ValueOf(new(b.Name)))
	}
	return b, nil
}

// splitPoint moves the access point's name from the beginning of the key to the
// ARN.
func splitPoint(arn string, field reflect.Value) string {
	if !field.IsValid() {
		return arn + ":accesspoint"
	}
	key, _ := field.Interface().(*string)
	name, rest, _ := strings.Cut(smithy.Val(key), "/")
	field.Set(reflect.ValueOf(new(rest)))
	return arn + ":accesspoint/" + name
}

// pointKeys adds the condition keys of a request through an access point. They
// join the request's own, to which more may come before the checks are judged.
func pointKeys(p *store.AccessPoint, keys policy.Keys) policy.Keys {
	if keys == nil {
		keys = policy.Keys{}
	}
	keys["s3:dataaccesspointarn"] = []string{p.ARN()}
	keys["s3:dataaccesspointaccount"] = []string{p.Account}
	keys["s3:accesspointnetworkorigin"] = []string{"Internet"}
	return keys
}

// pointCheck is what the access point says: its policy must let in who the
// bucket lets in, on its own resource.
func (a *Ask) pointCheck(c *service.Call, p *store.AccessPoint) service.Check {
	resource := p.ARN()
	if a.Key != "" {
		resource = p.ObjectARN(a.Key)
	}
	own := maps.Clone(a.Keys) // its tags and account are not the bucket's
	own["s3:resourceaccount"] = []string{p.Account}
	for k, v := range p.Tags {
		own["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
	}
	check := service.Check{Action: a.Action, Resource: resource, Account: p.Account, Context: own, Policy: p.Compiled}
	if p.IsPublic && p.Block().Restrict && c.Caller.Kind != policy.Service && c.Caller.AccountID != p.Account {
		check.Policy = p.Compiled.Denials()
	}
	return check
}
