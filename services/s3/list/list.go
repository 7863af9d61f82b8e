// Package list answers the operations that list objects and versions, and has
// what all listings share. The walk itself is in package listing.
package list

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/listing"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/wire"
)

// Encoder writes keys as encoding-type asks for.
func Encoder(encodingType *string) (func(string) *string, error) {
	switch smithy.Val(encodingType) {
	case "":
		return func(s string) *string { return new(s) }, nil
	case "url":
		return func(s string) *string { return new(naming.URLEncode(s)) }, nil
	}
	return nil, s3err.InvalidArgument("Invalid Encoding Method specified in Request")
}

// PageSize is how many entries a page has; name is the argument's.
func PageSize(name string, n *int32) (int, error) {
	if n == nil {
		return store.ListMax, nil
	}
	if *n < 0 {
		return 0, s3err.Argument(name, strconv.Itoa(int(*n)), "Argument %s must be an integer between 0 and 2147483647", name)
	}
	return min(int(*n), store.ListMax), nil
}

// CommonPrefixes are the groups of a page.
func CommonPrefixes(p *listing.Page, enc func(string) *string) []api.CommonPrefix {
	var out []api.CommonPrefix
	for _, prefix := range p.Prefixes {
		out = append(out, api.CommonPrefix{Prefix: enc(prefix)})
	}
	return out
}

// NonEmpty leaves an empty text out of an answer.
func NonEmpty(s string, enc func(string) *string) *string {
	if s == "" {
		return nil
	}
	return enc(s)
}

// Handlers answers listings. It is safe for concurrent use.
type Handlers struct{ store *store.Store }

// New returns the handlers over a store.
func New(st *store.Store) *Handlers { return &Handlers{st} }

// Operations are the listings of objects and versions.
func (s *Handlers) Operations() []service.Operation {
	return service.Table[*Handlers]{
		service.Full(api.ListObjects, (*Handlers).listObjects),
		service.Full(api.ListObjectsV2, (*Handlers).listObjectsV2),
		service.Direct(service.Full(api.ListObjectVersions, (*Handlers).listObjectVersions), (*Handlers).replyListObjectVersions),
	}.Bind(s)
}

func entry(o *store.Object, enc func(string) *string) api.Object {
	v := &entryValues{o.LastModified(), o.Size, o.QuotedETag(), class.Full(o.Class), o.SumType}
	e := api.Object{Key: enc(o.Key), LastModified: &v.modified, ETag: &v.etag, Size: &v.size, StorageClass: &v.class}
	e.ChecksumAlgorithm = op.SumNames(o.Sums)
	if v.sumType != "" {
		e.ChecksumType = &v.sumType
	}
	return e
}

// room makes room for a page at once where there are more than a few entries.
func room(entries []api.Object, size int) []api.Object {
	if n := len(entries); n == fewEntries && n < size {
		return slices.Grow(entries, size-n)
	}
	return entries
}

const fewEntries = 32

// entryValues are those that an entry points to: a page has a thousand.
type entryValues struct {
	modified             time.Time
	size                 int64
	etag, class, sumType string
}

// restoring gives the restore status of objects where a listing asks for it.
func restoring(c *service.Call, asked []string) (func(*store.Object) *api.RestoreStatus, error) {
	for _, name := range asked {
		if name != "RestoreStatus" {
			return nil, s3err.InvalidArgument("Invalid attribute name specified.")
		}
	}
	if len(asked) == 0 {
		return func(*store.Object) *api.RestoreStatus { return nil }, nil
	}
	return func(o *store.Object) *api.RestoreStatus { return o.Restore.Status(c.Now) }, nil
}

// request is what all listings ask for.
type request struct {
	bucket, encoding, prefix, delimiter, after *string
	attributes                                 []string
	max                                        *int32
}

// started is a listing that can go on: its bucket is there, and what is asked
// for makes sense.
type started struct {
	*listing.Listing
	bucket   *store.Bucket
	enc      func(string) *string
	restores func(*store.Object) *api.RestoreStatus
}

func (s *Handlers) start(ctx context.Context, c *service.Call, r request) (*started, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(r.bucket))
	if err != nil {
		return nil, err
	}
	enc, err := Encoder(r.encoding)
	if err != nil {
		return nil, err
	}
	restores, err := restoring(c, r.attributes)
	if err != nil {
		return nil, err
	}
	size, err := PageSize("maxKeys", r.max)
	if err != nil {
		return nil, err
	}
	l := &listing.Listing{Prefix: smithy.Val(r.prefix), Delimiter: smithy.Val(r.delimiter), After: smithy.Val(r.after), Max: size}
	return &started{l, b, enc, restores}, nil
}

func (s *Handlers) listObjects(ctx context.Context, c *service.Call, in *api.ListObjectsInput) (*api.ListObjectsOutput, error) {
	l, err := s.start(ctx, c, request{in.Bucket, in.EncodingType, in.Prefix, in.Delimiter, in.Marker, in.OptionalObjectAttributes, in.MaxKeys})
	if err != nil {
		return nil, err
	}
	out := &api.ListObjectsOutput{
		Name: op.Asked(c, in.Bucket), Prefix: l.enc(l.Prefix), Marker: l.enc(l.After), Delimiter: NonEmpty(l.Delimiter, l.enc),
		MaxKeys: new(int32(l.Max)), EncodingType: in.EncodingType,
	}
	p, err := s.store.ListObjects(ctx, l.bucket, l.Listing, func(o *store.Object) {
		e := entry(o, l.enc)
		e.Owner = naming.Owner(l.bucket.OwnerOf(o))
		e.RestoreStatus = l.restores(o)
		out.Contents = append(room(out.Contents, l.Max), e)
	})
	if err != nil {
		return nil, err
	}
	out.IsTruncated, out.CommonPrefixes = new(p.Truncated), CommonPrefixes(p, l.enc)
	if p.Truncated && l.Delimiter != "" {
		out.NextMarker = l.enc(p.Last) // without a delimiter the last key is the marker
	}
	return out, nil
}

func (s *Handlers) listObjectsV2(ctx context.Context, c *service.Call, in *api.ListObjectsV2Input) (*api.ListObjectsV2Output, error) {
	l, err := s.start(ctx, c, request{in.Bucket, in.EncodingType, in.Prefix, in.Delimiter, in.StartAfter, in.OptionalObjectAttributes, in.MaxKeys})
	if err != nil {
		return nil, err
	}
	if in.ContinuationToken != nil {
		if l.After, err = openToken(*in.ContinuationToken); err != nil {
			return nil, err
		}
	}
	out := &api.ListObjectsV2Output{
		Name: op.Asked(c, in.Bucket), Prefix: l.enc(l.Prefix), Delimiter: NonEmpty(l.Delimiter, l.enc), StartAfter: NonEmpty(smithy.Val(in.StartAfter), l.enc),
		MaxKeys: new(int32(l.Max)), EncodingType: in.EncodingType, ContinuationToken: in.ContinuationToken,
	}
	p, err := s.store.ListObjects(ctx, l.bucket, l.Listing, func(o *store.Object) {
		e := entry(o, l.enc)
		if smithy.Val(in.FetchOwner) {
			e.Owner = naming.Owner(l.bucket.OwnerOf(o))
		}
		e.RestoreStatus = l.restores(o)
		out.Contents = append(room(out.Contents, l.Max), e)
	})
	if err != nil {
		return nil, err
	}
	out.IsTruncated, out.CommonPrefixes, out.KeyCount = new(p.Truncated), CommonPrefixes(p, l.enc), new(int32(p.Count))
	if p.Truncated {
		out.NextContinuationToken = new(sealToken(p.Last))
	}
	return out, nil
}

// tokenMark makes continuation tokens recognisable, so that a key passed by
// mistake is refused.
const tokenMark = "1:"

func sealToken(key string) string { return base64.URLEncoding.EncodeToString([]byte(tokenMark + key)) }

func openToken(token string) (string, error) {
	raw, err := base64.URLEncoding.DecodeString(token)
	key, ok := strings.CutPrefix(string(raw), tokenMark)
	if err != nil || !ok {
		return "", s3err.InvalidArgument("The continuation token provided is incorrect")
	}
	return key, nil
}

func (s *Handlers) listObjectVersions(ctx context.Context, c *service.Call, in *api.ListObjectVersionsInput) (*api.ListObjectVersionsOutput, error) {
	out, _, err := s.listVersions(ctx, c, in)
	return out, err
}

// replyListObjectVersions tells versions and delete markers in the order of
// their keys, the newest of a key first, as S3 does.
func (s *Handlers) replyListObjectVersions(ctx context.Context, c *service.Call, in *api.ListObjectVersionsInput) (wire.Mixed, error) {
	out, order, err := s.listVersions(ctx, c, in)
	return wire.Mixed{Out: out, Order: order}, err
}

func (s *Handlers) listVersions(ctx context.Context, c *service.Call, in *api.ListObjectVersionsInput) (out *api.ListObjectVersionsOutput, order []string, err error) {
	l, err := s.start(ctx, c, request{in.Bucket, in.EncodingType, in.Prefix, in.Delimiter, in.KeyMarker, in.OptionalObjectAttributes, in.MaxKeys})
	if err != nil {
		return nil, nil, err
	}
	marker := smithy.Val(in.VersionIdMarker)
	if marker != "" && l.After == "" {
		return nil, nil, s3err.InvalidArgument("A version-id marker cannot be specified without a key marker.")
	}
	if _, ok := store.SequenceOf(marker); marker != "" && !ok && marker != store.NullVersion {
		return nil, nil, s3err.InvalidArgument("Invalid version id specified")
	}
	out = &api.ListObjectVersionsOutput{
		Name: op.Asked(c, in.Bucket), Prefix: l.enc(l.Prefix), KeyMarker: l.enc(l.After), VersionIdMarker: new(marker), Delimiter: NonEmpty(l.Delimiter, l.enc),
		MaxKeys: new(int32(l.Max)), EncodingType: in.EncodingType,
	}
	var last *store.Object
	p, err := s.store.ListVersions(ctx, l.bucket, l.Listing, marker, func(o *store.Object, latest bool) {
		last = o
		order = append(order, l.addVersion(out, o, latest))
	})
	if err != nil {
		return nil, nil, err
	}
	out.IsTruncated, out.CommonPrefixes = new(p.Truncated), CommonPrefixes(p, l.enc)
	if p.Truncated {
		out.NextKeyMarker = l.enc(p.Last)
		if last != nil && last.Key == p.Last {
			out.NextVersionIdMarker = new(last.Version)
		}
	}
	return out, order, nil
}

// addVersion adds a version or a delete marker, and names the member that has it.
func (l *started) addVersion(out *api.ListObjectVersionsOutput, o *store.Object, latest bool) string {
	if o.Marker {
		out.DeleteMarkers = append(out.DeleteMarkers, api.DeleteMarkerEntry{
			Key: l.enc(o.Key), VersionId: new(o.Version), IsLatest: new(latest), LastModified: new(o.LastModified()), Owner: naming.Owner(l.bucket.OwnerOf(o)),
		})
		return "DeleteMarkers"
	}
	out.Versions = append(out.Versions, api.ObjectVersion{
		Key: l.enc(o.Key), VersionId: new(o.Version), IsLatest: new(latest), LastModified: new(o.LastModified()), Owner: naming.Owner(l.bucket.OwnerOf(o)),
		ETag: new(o.QuotedETag()), Size: new(o.Size), StorageClass: new(class.Full(o.Class)), ChecksumAlgorithm: op.SumNames(o.Sums), ChecksumType: NonEmpty(o.SumType, func(s string) *string { return new(s) }),
		RestoreStatus: l.restores(o),
	})
	return "Versions"
}
