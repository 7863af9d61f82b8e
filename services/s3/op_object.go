package s3

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/condition"
	"moln.dev/moln/services/s3/tagging"
)

func (s *Service) putObject(ctx context.Context, c *service.Call, in *api.PutObjectInput) (*api.PutObjectOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	o, err := newObject(putAttributes(in))
	if err != nil {
		return nil, err
	}
	if in.WriteOffsetBytes != nil {
		return nil, notImplemented("moln does not append to objects")
	}
	take, err := s.intakeOf(c, smithy.Val(in.ChecksumAlgorithm))
	if err != nil {
		return nil, err
	}
	holds := func(cur *object) error {
		return writeCondition(smithy.Val(in.IfMatch), smithy.Val(in.IfNoneMatch), o.Key, cur)
	}
	if err := s.early(ctx, b, o.Key, in.IfMatch, in.IfNoneMatch, holds); err != nil {
		return nil, err
	}
	src := in.Body
	if src == nil {
		src = strings.NewReader("")
	}
	got, err := s.receive(ctx, src, take)
	if err != nil {
		return nil, err
	}
	o.body, o.ETag, o.Sums, o.SumType = got.body, got.etag, got.sums, checksum.FullObject
	if err := s.commit(ctx, c, b, o, data{inline: got.inline}, commitOptions{event: "ObjectCreated:Put", condition: holds}); err != nil {
		s.undo(ctx, got, err)
		return nil, err
	}
	out := &api.PutObjectOutput{ETag: new(o.quotedETag()), ServerSideEncryption: new(sseS3), VersionId: visibleVersion(b, o), ChecksumType: new(o.SumType)}
	setSums(o.Sums, &out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256)
	return out, nil
}

// intakeOf reads what a request says about its body.
func (s *Service) intakeOf(c *service.Call, algorithm string) (intake, error) {
	take := intake{max: putBytesMax}
	if algorithm != "" {
		if checksum.New(algorithm) == nil {
			return take, notImplemented("moln does not know the checksum algorithm %s", algorithm)
		}
		take.algs = []string{algorithm}
	}
	if c.HTTP != nil {
		size := announced(c)
		if size < 0 {
			return take, fault.New("MissingContentLength", http.StatusLengthRequired, "You must provide the Content-Length HTTP header.")
		}
		if size > putBytesMax {
			return take, entityTooLarge()
		}
		var err error
		if take.expect, err = checksum.Expected(c.HTTP.Request.Header); err != nil {
			return take, err
		}
		take.trailer = c.HTTP.Trailer
	}
	if len(take.algs) == 0 && len(take.expect.Algorithms()) == 0 {
		take.algs = []string{checksum.CRC64NVME} // as S3 does for clients that name none
	}
	return take, nil
}

// early judges a write's condition before its body is read; commit does so
// again.
func (s *Service) early(ctx context.Context, b *bucket, key string, ifMatch, ifNoneMatch *string, holds func(*object) error) error {
	if ifMatch == nil && ifNoneMatch == nil {
		return nil
	}
	cur, err := s.store.current(ctx, b, key)
	if err != nil {
		return err
	}
	return holds(cur)
}

// commitOptions say what goes with storing a version.
type commitOptions struct {
	event     string
	condition func(cur *object) error // nil: none
	// also runs in the same transaction.
	also func(tx *kv.Tx, left *pending) error
}

// commit stores o as the current version of its key, and queues its event (B3).
func (s *Service) commit(ctx context.Context, c *service.Call, b *bucket, o *object, d data, opt commitOptions) error {
	var left pending
	o.Modified, o.Sequence = c.Now.UTC(), s.deps.Ident.Sortable()
	err := s.store.kv.Update(ctx, func(tx *kv.Tx) error {
		left = pending{}
		o.NullSequence = ""
		now, err := s.store.again(tx, b)
		if err != nil {
			return err
		}
		cur, err := currentIn(tx, now, o.Key)
		if err != nil {
			return err
		}
		if opt.condition != nil {
			if err := opt.condition(cur); err != nil {
				return err
			}
		}
		if err := putData(tx, o, d); err != nil {
			return err
		}
		if err := s.store.write(tx, now, cur, o, &left); err != nil {
			return err
		}
		if opt.also != nil {
			if err := opt.also(tx, &left); err != nil {
				return err
			}
		}
		return s.notify(tx, c, now, change{event: opt.event, object: o})
	}, keyObject(b, o.Key))
	if err != nil {
		return err
	}
	s.discard(ctx, left.garbage...)
	return nil
}

// visibleVersion is a version id as answers show it: none in a bucket that has
// never been versioned.
func visibleVersion(b *bucket, o *object) *string {
	if b.Versioning == "" && o.Version == nullVersion {
		return nil
	}
	return new(o.Version)
}

func setSums(sums checksum.Values, crc32, crc32c, crc64, sha1, sha256 **string) {
	for alg, at := range map[string]**string{checksum.CRC32: crc32, checksum.CRC32C: crc32c, checksum.CRC64NVME: crc64, checksum.SHA1: sha1, checksum.SHA256: sha256} {
		if v, ok := sums[alg]; ok {
			*at = new(v)
		}
	}
}

// read finds the version that a request means, for reading.
func (s *Service) read(ctx context.Context, c *service.Call, b *bucket, key string, version *string) (*object, error) {
	if version != nil {
		return s.readVersion(ctx, c, b, key, *version)
	}
	o, err := s.store.current(ctx, b, key)
	if err != nil {
		return nil, err
	}
	if o != nil && !o.Marker {
		return o, nil
	}
	if err := s.mayKnow(ctx, c, b); err != nil {
		return nil, err
	}
	f := fault.As(noSuchKey(key))
	if o != nil {
		f.Header = http.Header{"X-Amz-Delete-Marker": {"true"}, "X-Amz-Version-Id": {o.Version}}
	}
	return nil, f
}

func (s *Service) readVersion(ctx context.Context, c *service.Call, b *bucket, key, version string) (*object, error) {
	if _, ok := sequenceOf(version); !ok && version != nullVersion {
		return nil, invalidArgument("Invalid version id specified")
	}
	o, err := s.store.version(ctx, b, key, version)
	if err != nil {
		return nil, err
	}
	if o == nil {
		if err := s.mayKnow(ctx, c, b); err != nil {
			return nil, err
		}
		return nil, noSuchVersion()
	}
	if o.Marker {
		f := fault.New("MethodNotAllowed", http.StatusMethodNotAllowed, "The specified method is not allowed against this resource.")
		f.Header = http.Header{"X-Amz-Delete-Marker": {"true"}, "X-Amz-Version-Id": {o.Version}, "Allow": {"DELETE"}, "Last-Modified": {o.modified().Format(http.TimeFormat)}}
		return nil, f
	}
	return o, nil
}

// mayKnow tells whether the caller may learn that an object does not exist:
// only who may list the bucket.
func (s *Service) mayKnow(ctx context.Context, c *service.Call, b *bucket) error {
	check := s.check(c, b, "s3:ListBucket", bucketARN(b.Name), nil)
	check.Fault = nil
	err := c.Judge(ctx, check)
	if fault.As(err) != nil {
		return accessDenied()
	}
	return err
}

// readAttempts bounds how often a read begins again because the object was
// replaced between its record and its bytes.
const readAttempts = 5

func (s *Service) getObject(ctx context.Context, c *service.Call, in *api.GetObjectInput) (*api.GetObjectOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if err := refuseCustomerKeys(in.SSECustomerAlgorithm, in.SSECustomerKey); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		sel, err := s.selectObject(ctx, c, b, in)
		if err != nil {
			return nil, err
		}
		stream, err := s.open(ctx, sel.o, sel.at)
		if isGone(err) && attempt < readAttempts {
			continue
		}
		if err != nil {
			return nil, err
		}
		out := sel.output(c, b, in, stream)
		out.Metadata = lowerMeta(c, out.Metadata)
		return out, nil
	}
}

// selected is the version and the part of it that a read asks for.
type selected struct {
	o     *object
	at    condition.Span
	part  *part
	parts int
}

func (s *Service) selectObject(ctx context.Context, c *service.Call, b *bucket, in *api.GetObjectInput) (*selected, error) {
	o, err := s.read(ctx, c, b, smithy.Val(in.Key), in.VersionId)
	if err != nil {
		return nil, err
	}
	cond := condition.Conditions{Match: smithy.Val(in.IfMatch), NoneMatch: smithy.Val(in.IfNoneMatch), ModifiedSince: in.IfModifiedSince, Unmodified: in.IfUnmodifiedSince}
	switch cond.Judge(o.ETag, o.modified()) {
	case condition.Failed:
		return nil, preconditionFailed()
	case condition.NotModified:
		f := fault.New("NotModified", http.StatusNotModified, "Not Modified")
		f.Header = http.Header{"Etag": {o.quotedETag()}, "Last-Modified": {o.modified().Format(http.TimeFormat)}}
		if v := visibleVersion(b, o); v != nil {
			f.Header["X-Amz-Version-Id"] = []string{*v}
		}
		if v := o.Headers[hCacheControl]; v != "" {
			f.Header["Cache-Control"] = []string{v}
		}
		return nil, f
	}
	sel := &selected{o: o, at: condition.Span{Length: o.Size}, parts: o.Parts}
	if in.PartNumber != nil {
		if in.Range != nil {
			return nil, invalidRequest("Cannot specify both Range header and partNumber query parameter")
		}
		return sel, s.selectPart(ctx, sel, int(*in.PartNumber))
	}
	sel.at, err = condition.ParseRange(smithy.Val(in.Range), o.Size)
	return sel, err
}

func (s *Service) selectPart(ctx context.Context, sel *selected, number int) error {
	sel.at.Partial = true
	bad := fault.New("InvalidPartNumber", http.StatusRequestedRangeNotSatisfiable, "The requested partnumber is not satisfiable")
	if sel.o.Parts == 0 {
		if number != 1 {
			return bad
		}
		return nil
	}
	parts, err := s.store.parts(ctx, sel.o.ID)
	if err != nil {
		return err
	}
	if number < 1 || number > len(parts) {
		return bad
	}
	for i := range parts[:number-1] {
		sel.at.Offset += parts[i].Size
	}
	sel.part = &parts[number-1]
	sel.at.Length = sel.part.Size
	return nil
}

func (sel *selected) output(c *service.Call, b *bucket, in *api.GetObjectInput, stream io.Reader) *api.GetObjectOutput {
	o := sel.o
	pick := func(override *string, header string) *string {
		if override != nil {
			return override
		}
		if v := o.Headers[header]; v != "" {
			return new(v)
		}
		return nil
	}
	out := &api.GetObjectOutput{
		Body: stream, AcceptRanges: new("bytes"), ETag: new(o.quotedETag()), LastModified: new(o.modified()),
		ContentLength: new(sel.at.Length), VersionId: visibleVersion(b, o), ServerSideEncryption: new(sseS3), Metadata: o.Meta,
		CacheControl: pick(in.ResponseCacheControl, hCacheControl), ContentDisposition: pick(in.ResponseContentDisposition, hContentDisposition),
		ContentEncoding: pick(in.ResponseContentEncoding, hContentEncoding), ContentLanguage: pick(in.ResponseContentLanguage, hContentLanguage),
		ContentType: pick(in.ResponseContentType, hContentType), WebsiteRedirectLocation: pick(nil, hRedirect), Expires: pick(nil, hExpires),
	}
	if in.ResponseExpires != nil {
		out.Expires = new(in.ResponseExpires.UTC().Format(http.TimeFormat))
	}
	if len(o.Tags) > 0 {
		out.TagCount = new(int32(len(o.Tags)))
	}
	if sel.at.Partial && o.Size > 0 {
		out.ContentRange = new(sel.at.ContentRange(o.Size))
		setStatus(c, http.StatusPartialContent)
	}
	if in.PartNumber != nil && sel.parts > 0 {
		out.PartsCount = new(int32(sel.parts))
	}
	if smithy.Val(in.ChecksumMode) == "ENABLED" {
		sums, whole := o.Sums, !sel.at.Partial || sel.at.Length == o.Size
		if sel.part != nil {
			sums, whole = sel.part.Sums, true
		}
		if whole {
			setSums(sums, &out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256)
			out.ChecksumType = new(o.SumType)
		}
	}
	return out
}

// lowerMeta writes user metadata into the answer's headers under the very names
// it was stored by, in lower case, where there is an HTTP answer; the codec
// would write their first letters in upper case, which clients see.
func lowerMeta(c *service.Call, meta map[string]string) map[string]string {
	if c.HTTP == nil {
		return meta
	}
	for k, v := range meta {
		c.HTTP.Header["x-amz-meta-"+k] = []string{v}
	}
	return nil
}

func setStatus(c *service.Call, status int) {
	if c.HTTP != nil {
		c.HTTP.Status = status
	}
}

func (s *Service) headObject(ctx context.Context, c *service.Call, in *api.HeadObjectInput) (*api.HeadObjectOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if err := refuseCustomerKeys(in.SSECustomerAlgorithm, in.SSECustomerKey); err != nil {
		return nil, err
	}
	get := api.GetObjectInput(*in)
	sel, err := s.selectObject(ctx, c, b, &get)
	if err != nil {
		return nil, err
	}
	g := sel.output(c, b, &get, nil)
	g.Metadata = lowerMeta(c, g.Metadata)
	return &api.HeadObjectOutput{
		AcceptRanges: g.AcceptRanges, ETag: g.ETag, LastModified: g.LastModified, ContentLength: g.ContentLength, VersionId: g.VersionId,
		ServerSideEncryption: g.ServerSideEncryption, Metadata: g.Metadata, CacheControl: g.CacheControl, ContentDisposition: g.ContentDisposition,
		ContentEncoding: g.ContentEncoding, ContentLanguage: g.ContentLanguage, ContentType: g.ContentType, ContentRange: g.ContentRange,
		WebsiteRedirectLocation: g.WebsiteRedirectLocation, Expires: g.Expires, TagCount: g.TagCount, PartsCount: g.PartsCount,
		ChecksumCRC32: g.ChecksumCRC32, ChecksumCRC32C: g.ChecksumCRC32C, ChecksumCRC64NVME: g.ChecksumCRC64NVME,
		ChecksumSHA1: g.ChecksumSHA1, ChecksumSHA256: g.ChecksumSHA256, ChecksumType: g.ChecksumType,
	}, nil
}

func (s *Service) getObjectAttributes(ctx context.Context, c *service.Call, in *api.GetObjectAttributesInput) (*api.GetObjectAttributesOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	o, err := s.read(ctx, c, b, smithy.Val(in.Key), in.VersionId)
	if err != nil {
		return nil, err
	}
	out := &api.GetObjectAttributesOutput{LastModified: new(o.modified()), VersionId: visibleVersion(b, o)}
	for _, name := range in.ObjectAttributes {
		switch name {
		case "ETag":
			out.ETag = new(o.ETag)
		case "StorageClass":
			out.StorageClass = new(storageClass)
		case "ObjectSize":
			out.ObjectSize = new(o.Size)
		case "Checksum":
			out.Checksum = &api.Checksum{ChecksumType: new(o.SumType)}
			setSums(o.Sums, &out.Checksum.ChecksumCRC32, &out.Checksum.ChecksumCRC32C, &out.Checksum.ChecksumCRC64NVME, &out.Checksum.ChecksumSHA1, &out.Checksum.ChecksumSHA256)
		case "ObjectParts":
			if o.Parts == 0 {
				continue
			}
			if out.ObjectParts, err = s.attributeParts(ctx, o, in); err != nil {
				return nil, err
			}
		default:
			return nil, invalidArgument("Invalid attribute name specified.")
		}
	}
	return out, nil
}

func (s *Service) attributeParts(ctx context.Context, o *object, in *api.GetObjectAttributesInput) (*api.GetObjectAttributesParts, error) {
	parts, err := s.store.parts(ctx, o.ID)
	if err != nil {
		return nil, err
	}
	limit, marker := listMax, int(smithy.Val(in.PartNumberMarker))
	if in.MaxParts != nil {
		limit = min(limit, max(0, int(*in.MaxParts)))
	}
	out := &api.GetObjectAttributesParts{TotalPartsCount: new(int32(len(parts))), PartNumberMarker: new(int32(marker)), MaxParts: new(int32(limit)), IsTruncated: new(false)}
	if o.SumType != checksum.Composite {
		return out, nil // S3 lists the parts of composite checksums only
	}
	for i, p := range parts {
		if i < marker {
			continue
		}
		if len(out.Parts) == limit {
			out.IsTruncated = new(true)
			break
		}
		item := api.ObjectPart{PartNumber: new(int32(i + 1)), Size: new(p.Size)}
		setSums(p.Sums, &item.ChecksumCRC32, &item.ChecksumCRC32C, &item.ChecksumCRC64NVME, &item.ChecksumSHA1, &item.ChecksumSHA256)
		out.Parts = append(out.Parts, item)
		out.NextPartNumberMarker = item.PartNumber
	}
	return out, nil
}

// attributes are what PutObject, CopyObject and CreateMultipartUpload say about
// an object besides its bytes.
type attributes struct {
	key                                 string
	meta                                map[string]string
	headers                             map[string]*string
	tagging                             *string
	acl, class, sse, kmsKey, kmsContext *string
	grants                              []*string
	customerAlgorithm, customerKey      *string
	bucketKey                           *bool
	lockMode, lockHold, lockEvent       *string
	lockUntil                           *time.Time
}

func putAttributes(in *api.PutObjectInput) attributes {
	return attributes{
		key: smithy.Val(in.Key), meta: in.Metadata, tagging: in.Tagging, acl: in.ACL, class: in.StorageClass,
		headers: map[string]*string{
			hContentType: in.ContentType, hCacheControl: in.CacheControl, hContentDisposition: in.ContentDisposition,
			hContentEncoding: in.ContentEncoding, hContentLanguage: in.ContentLanguage, hExpires: in.Expires, hRedirect: in.WebsiteRedirectLocation,
		},
		sse: in.ServerSideEncryption, kmsKey: in.SSEKMSKeyId, kmsContext: in.SSEKMSEncryptionContext, bucketKey: in.BucketKeyEnabled,
		grants:            []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP},
		customerAlgorithm: in.SSECustomerAlgorithm, customerKey: in.SSECustomerKey,
		lockMode: in.ObjectLockMode, lockHold: in.ObjectLockLegalHoldStatus, lockUntil: in.ObjectLockRetainUntilDate, lockEvent: in.ObjectLockEventHold,
	}
}

// newObject checks attributes and makes the record of an object without a body.
func newObject(a attributes) (*object, error) {
	if err := checkKey(a.key); err != nil {
		return nil, err
	}
	if err := checkMeta(a.meta); err != nil {
		return nil, err
	}
	if err := a.refuse(); err != nil {
		return nil, err
	}
	o := &object{Key: a.key, Meta: a.meta, Headers: map[string]string{}}
	for name, v := range a.headers {
		if smithy.Val(v) != "" {
			o.Headers[name] = *v
		}
	}
	if o.Headers[hContentType] == "" {
		o.Headers[hContentType] = defaultContentType
	}
	// The transfer's own framing is no property of the object.
	if v := stripChunked(o.Headers[hContentEncoding]); v != "" {
		o.Headers[hContentEncoding] = v
	} else {
		delete(o.Headers, hContentEncoding)
	}
	if v := o.Headers[hRedirect]; v != "" && !validRedirect(v) {
		return nil, fault.New("InvalidRedirectLocation", 400, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
	}
	var err error
	o.Tags, err = tagging.Parse(a.tagging)
	return o, err
}

func validRedirect(v string) bool {
	return strings.HasPrefix(v, "/") || strings.HasPrefix(v, "http://") || strings.HasPrefix(v, "https://")
}

func stripChunked(encoding string) string {
	var kept []string
	for item := range strings.SplitSeq(encoding, ",") {
		if item = strings.TrimSpace(item); item != "" && !strings.EqualFold(item, "aws-chunked") {
			kept = append(kept, item)
		}
	}
	return strings.Join(kept, ",")
}

// refuse names what is not there, rather than ignore it.
func (a *attributes) refuse() error {
	if err := checkACL(smithy.Val(a.acl), a.grants...); err != nil {
		return err
	}
	if err := refuseCustomerKeys(a.customerAlgorithm, a.customerKey); err != nil {
		return err
	}
	switch sse := smithy.Val(a.sse); {
	case sse != "" && sse != sseS3:
		return notImplemented("moln encrypts objects with its own keys (AES256) and not with %s", sse)
	case a.kmsKey != nil || a.kmsContext != nil:
		return invalidArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
	case a.class != nil && *a.class != storageClass:
		return fault.New("InvalidStorageClass", 400, "The storage class you specified is not valid")
	case a.lockMode != nil || a.lockHold != nil || a.lockUntil != nil || a.lockEvent != nil:
		return invalidRequest("Bucket is missing Object Lock Configuration")
	}
	return nil
}

func refuseCustomerKeys(algorithm, key *string) error {
	if algorithm == nil && key == nil {
		return nil
	}
	return notImplemented("moln has no server-side encryption with customer-provided keys")
}

// checkACL accepts the owner's own list, which is the only one there is.
func checkACL(canned string, grants ...*string) error {
	switch canned {
	case "", "private", "bucket-owner-full-control":
	default:
		return aclNotSupported()
	}
	for _, g := range grants {
		if g != nil {
			return aclNotSupported()
		}
	}
	return nil
}

// writeCondition judges If-Match and If-None-Match of a write against the
// version that is current.
func writeCondition(ifMatch, ifNoneMatch, key string, cur *object) error {
	exists := cur != nil && !cur.Marker
	switch {
	case ifNoneMatch != "" && ifNoneMatch != "*":
		return notImplemented("A header you provided implies functionality that is not implemented")
	case ifNoneMatch == "*" && exists:
		return preconditionFailed()
	case ifMatch == "":
		return nil
	case !exists:
		return noSuchKey(key)
	case !condition.MatchesETag(ifMatch, cur.ETag):
		return preconditionFailed()
	}
	return nil
}
