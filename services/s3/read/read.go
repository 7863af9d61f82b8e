// Package read answers the operations that read objects: GetObject, HeadObject
// and GetObjectAttributes. Websites read through it as well.
package read

import (
	"context"
	"io"
	"net/http"
	"slices"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/condition"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/sse"
	"moln.dev/moln/services/s3/store"
)

// Handlers answers reads. It is safe for concurrent use.
type Handlers struct {
	store *store.Store
	// Accessed, if set, is told of the objects whose bytes are read.
	Accessed func(b *store.Bucket, o *store.Object, now time.Time)
}

// New returns the handlers over a store.
func New(st *store.Store) *Handlers { return &Handlers{store: st} }

// Operations are the reads.
func (s *Handlers) Operations() []service.Operation {
	return service.Table[*Handlers]{
		service.Full(api.GetObject, (*Handlers).getObject),
		service.Full(api.HeadObject, (*Handlers).headObject),
		service.Full(api.GetObjectAttributes, (*Handlers).getObjectAttributes),
	}.Bind(s)
}

// Attempts bounds how often a read begins again because the object was
// replaced between its record and its bytes.
const Attempts = 5

func (s *Handlers) getObject(ctx context.Context, c *service.Call, in *api.GetObjectInput) (*api.GetObjectOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	asked := sse.AskedBy(in)
	for attempt := 1; ; attempt++ {
		sel, err := s.Select(ctx, c, b, in)
		if err != nil {
			return nil, err
		}
		if err := s.Touch(b, sel.Object, c.Now); err != nil {
			return nil, err
		}
		if err := sse.Unlock(ctx, c, s.store, b, sel.Object, asked); err != nil {
			return nil, err
		}
		stream, err := s.store.Open(ctx, b, sel.Object, sel.At)
		if store.IsGone(err) && attempt < Attempts {
			continue
		}
		if err != nil {
			return nil, err
		}
		out := sel.Output(c, b, in, stream)
		showLock(ctx, c, b, sel.Object, out)
		sse.Tell(out, sel.Object.SSE, asked)
		out.Metadata = lowerMeta(c, out.Metadata)
		return out, nil
	}
}

// Selected is the version and the part of it that a read asks for.
type Selected struct {
	Object *store.Object
	At     condition.Span
	part   *store.Part
	parts  int
}

// Select finds the version and the part of it that a request asks for, and judges
// its conditions.
func (s *Handlers) Select(ctx context.Context, c *service.Call, b *store.Bucket, in *api.GetObjectInput) (*Selected, error) {
	if n := in.PartNumber; n != nil && (*n < 1 || *n > store.PartsMax) {
		return nil, s3err.PartNumber(*n)
	}
	o, err := op.Find(ctx, c, s.store, b, smithy.Val(in.Key), in.VersionId)
	if err != nil {
		return nil, err
	}
	cond := condition.Conditions{Match: smithy.Val(in.IfMatch), NoneMatch: smithy.Val(in.IfNoneMatch), ModifiedSince: in.IfModifiedSince, Unmodified: in.IfUnmodifiedSince}
	switch cond.Judge(o.ETag, o.LastModified()) {
	case condition.Failed:
		return nil, s3err.FailedCondition(cond.Header(o.ETag, o.LastModified()))
	case condition.NotModified:
		f := fault.New("NotModified", http.StatusNotModified, "Not Modified")
		f.Header = http.Header{"Etag": {o.QuotedETag()}, "Last-Modified": {o.LastModified().Format(http.TimeFormat)}}
		if v := store.VisibleVersion(b, o); v != nil {
			f.Header["X-Amz-Version-Id"] = []string{*v}
		}
		if v := o.Headers[store.HeaderCacheControl]; v != "" {
			f.Header["Cache-Control"] = []string{v}
		}
		return nil, f
	}
	sel := &Selected{Object: o, At: condition.Span{Length: o.Size}, parts: o.Parts}
	if in.PartNumber != nil {
		if in.Range != nil {
			return nil, s3err.InvalidRequest("Cannot specify both Range header and partNumber query parameter")
		}
		return sel, s.selectPart(ctx, sel, int(*in.PartNumber))
	}
	sel.At, err = condition.ParseRange(smithy.Val(in.Range), o.Size)
	return sel, err
}

func (s *Handlers) selectPart(ctx context.Context, sel *Selected, number int) error {
	sel.At.Partial = true
	bad := fault.New("InvalidPartNumber", http.StatusRequestedRangeNotSatisfiable, "The requested partnumber is not satisfiable")
	if sel.Object.Parts == 0 {
		if number != 1 {
			return bad
		}
		return nil
	}
	part, start, err := s.store.PartAt(ctx, sel.Object.PartsID(), number-1)
	if err != nil {
		return err
	}
	if part == nil {
		return bad
	}
	sel.part, sel.At.Offset, sel.At.Length = part, start, part.Size
	return nil
}

// Output is the answer with stream as its body.
func (sel *Selected) Output(c *service.Call, b *store.Bucket, in *api.GetObjectInput, stream io.Reader) *api.GetObjectOutput {
	o := sel.Object
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
		Body: stream, AcceptRanges: new("bytes"), ETag: new(o.QuotedETag()), LastModified: new(o.LastModified()),
		ContentLength: new(sel.At.Length), VersionId: store.VisibleVersion(b, o), Metadata: o.Meta,
		CacheControl: pick(in.ResponseCacheControl, store.HeaderCacheControl), ContentDisposition: pick(in.ResponseContentDisposition, store.HeaderContentDisposition),
		ContentEncoding: pick(in.ResponseContentEncoding, store.HeaderContentEncoding), ContentLanguage: pick(in.ResponseContentLanguage, store.HeaderContentLanguage),
		ContentType: pick(in.ResponseContentType, store.HeaderContentType), WebsiteRedirectLocation: pick(nil, store.HeaderRedirect), Expires: pick(nil, store.HeaderExpires),
	}
	out.StorageClass, out.Restore = class.Header(o.Class), o.Restore.Header(c.Now)
	out.ReplicationStatus = o.Replication.Header()
	if in.VersionId == nil {
		out.Expiration = o.Expiration(b)
	}
	if in.ResponseExpires != nil {
		out.Expires = new(in.ResponseExpires.UTC().Format(http.TimeFormat))
	}
	if len(o.Tags) > 0 {
		out.TagCount = new(int32(len(o.Tags)))
	}
	if sel.At.Partial && o.Size > 0 {
		out.ContentRange = new(sel.At.ContentRange(o.Size))
		setStatus(c, http.StatusPartialContent)
	}
	if in.PartNumber != nil && sel.parts > 0 {
		out.PartsCount = new(int32(sel.parts))
	}
	if smithy.Val(in.ChecksumMode) == "ENABLED" {
		sums, whole := o.Sums, !sel.At.Partial || sel.At.Length == o.Size
		if sel.part != nil {
			sums, whole = sel.part.Sums, true
		}
		if whole {
			op.SetSums(sums, out)
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

func (s *Handlers) headObject(ctx context.Context, c *service.Call, in *api.HeadObjectInput) (*api.HeadObjectOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	get := api.GetObjectInput(*in)
	sel, err := s.Select(ctx, c, b, &get)
	if err != nil {
		return nil, err
	}
	asked := sse.AskedBy(in)
	if err := s.mayTell(ctx, c, b, sel, in, asked); err != nil {
		return nil, err
	}
	g := sel.Output(c, b, &get, nil)
	showLock(ctx, c, b, sel.Object, g)
	g.Metadata = lowerMeta(c, g.Metadata)
	out := &api.HeadObjectOutput{
		AcceptRanges: g.AcceptRanges, ETag: g.ETag, LastModified: g.LastModified, ContentLength: g.ContentLength, VersionId: g.VersionId,
		Metadata: g.Metadata, CacheControl: g.CacheControl, ContentDisposition: g.ContentDisposition,
		ContentEncoding: g.ContentEncoding, ContentLanguage: g.ContentLanguage, ContentType: g.ContentType, ContentRange: g.ContentRange,
		WebsiteRedirectLocation: g.WebsiteRedirectLocation, Expires: g.Expires, TagCount: g.TagCount, PartsCount: g.PartsCount,
		ChecksumCRC32: g.ChecksumCRC32, ChecksumCRC32C: g.ChecksumCRC32C, ChecksumCRC64NVME: g.ChecksumCRC64NVME,
		ChecksumSHA1: g.ChecksumSHA1, ChecksumSHA256: g.ChecksumSHA256, ChecksumSHA512: g.ChecksumSHA512, ChecksumMD5: g.ChecksumMD5,
		ChecksumXXHASH64: g.ChecksumXXHASH64, ChecksumXXHASH3: g.ChecksumXXHASH3, ChecksumXXHASH128: g.ChecksumXXHASH128, ChecksumType: g.ChecksumType,
		StorageClass: g.StorageClass, Restore: g.Restore, Expiration: g.Expiration, ReplicationStatus: g.ReplicationStatus, ArchiveStatus: archiveStatus(b, sel.Object, c.Now),
		ObjectLockMode: g.ObjectLockMode, ObjectLockRetainUntilDate: g.ObjectLockRetainUntilDate, ObjectLockLegalHoldStatus: g.ObjectLockLegalHoldStatus,
	}
	sse.Tell(out, sel.Object.SSE, asked)
	return out, nil
}

// mayTell checks a customer's key, and where checksums are asked for that the
// caller may use the object's KMS key: they tell of the plaintext.
func (s *Handlers) mayTell(ctx context.Context, c *service.Call, b *store.Bucket, sel *Selected, in *api.HeadObjectInput, asked sse.Asked) error {
	if smithy.Val(in.ChecksumMode) == "ENABLED" {
		return sse.Unlock(ctx, c, s.store, b, sel.Object, asked)
	}
	return sse.Check(c, sel.Object, asked)
}

func (s *Handlers) getObjectAttributes(ctx context.Context, c *service.Call, in *api.GetObjectAttributesInput) (*api.GetObjectAttributesOutput, error) {
	b, o, err := op.Locate(ctx, c, s.store, op.AimOf(in))
	if err != nil {
		return nil, err
	}
	allowed := sse.Check(c, o, sse.AskedBy(in))
	if allowed == nil && slices.Contains(in.ObjectAttributes, "Checksum") {
		allowed = sse.Unlock(ctx, c, s.store, b, o, sse.AskedBy(in)) // checksums tell of the plaintext
	}
	if allowed != nil {
		return nil, allowed
	}
	out := &api.GetObjectAttributesOutput{LastModified: new(o.LastModified()), VersionId: store.VisibleVersion(b, o)}
	for _, name := range in.ObjectAttributes {
		switch name {
		case "ETag":
			out.ETag = new(o.ETag)
		case "StorageClass":
			out.StorageClass = new(class.Full(o.Class))
		case "ObjectSize":
			out.ObjectSize = new(o.Size)
		case "Checksum":
			out.Checksum = &api.Checksum{ChecksumType: new(o.SumType)}
			op.SetSums(o.Sums.Bare(), out.Checksum)
		case "ObjectParts":
			if o.Parts == 0 {
				continue
			}
			if out.ObjectParts, err = s.attributeParts(ctx, o, in); err != nil {
				return nil, err
			}
		default:
			return nil, s3err.InvalidArgument("Invalid attribute name specified.")
		}
	}
	return out, nil
}

func (s *Handlers) attributeParts(ctx context.Context, o *store.Object, in *api.GetObjectAttributesInput) (*api.GetObjectAttributesParts, error) {
	parts, err := s.store.Parts(ctx, o.PartsID())
	if err != nil {
		return nil, err
	}
	limit, marker := store.ListMax, int(smithy.Val(in.PartNumberMarker))
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
		op.SetSums(p.Sums, &item)
		out.Parts = append(out.Parts, item)
		out.NextPartNumberMarker = item.PartNumber
	}
	return out, nil
}
