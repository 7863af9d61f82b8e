package s3

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/listing"
)

// encoder writes keys as encoding-type asks for.
func encoder(encodingType *string) (func(string) *string, error) {
	switch smithy.Val(encodingType) {
	case "":
		return func(s string) *string { return new(s) }, nil
	case "url":
		return func(s string) *string { return new(urlEncode(s)) }, nil
	}
	return nil, invalidArgument("Invalid Encoding Method specified in Request")
}

// urlEncode is S3's form of percent-encoding keys in answers and events.
func urlEncode(s string) string {
	return strings.NewReplacer("%2F", "/", "%2A", "*").Replace(url.QueryEscape(s))
}

func pageSize(n *int32) (int, error) {
	if n == nil {
		return listMax, nil
	}
	if *n < 0 {
		return 0, invalidArgument("Argument maxKeys must be an integer between 0 and 2147483647")
	}
	return min(int(*n), listMax), nil
}

func commonPrefixes(p *listing.Page, enc func(string) *string) []api.CommonPrefix {
	var out []api.CommonPrefix
	for _, prefix := range p.Prefixes {
		out = append(out, api.CommonPrefix{Prefix: enc(prefix)})
	}
	return out
}

// nonEmpty leaves an empty text out of an answer.
func nonEmpty(s string, enc func(string) *string) *string {
	if s == "" {
		return nil
	}
	return enc(s)
}

func entry(o *object, enc func(string) *string) api.Object {
	e := api.Object{Key: enc(o.Key), LastModified: new(o.modified()), ETag: new(o.quotedETag()), Size: new(o.Size), StorageClass: new(storageClass)}
	e.ChecksumAlgorithm = sumNames(o.Sums)
	if o.SumType != "" {
		e.ChecksumType = new(o.SumType)
	}
	return e
}

func sumNames(sums checksum.Values) []string {
	var out []string
	for _, alg := range []string{checksum.CRC32, checksum.CRC32C, checksum.CRC64NVME, checksum.SHA1, checksum.SHA256} {
		if _, ok := sums[alg]; ok {
			out = append(out, alg)
		}
	}
	return out
}

func (s *Service) listObjects(ctx context.Context, _ *service.Call, in *api.ListObjectsInput) (*api.ListObjectsOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	enc, err := encoder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	size, err := pageSize(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	l := &listing.Listing{Prefix: smithy.Val(in.Prefix), Delimiter: smithy.Val(in.Delimiter), After: smithy.Val(in.Marker), Max: size}
	out := &api.ListObjectsOutput{
		Name: in.Bucket, Prefix: enc(l.Prefix), Marker: enc(l.After), Delimiter: nonEmpty(l.Delimiter, enc),
		MaxKeys: new(int32(size)), EncodingType: in.EncodingType,
	}
	p, err := s.store.listObjects(ctx, b, l, func(o *object) {
		e := entry(o, enc)
		e.Owner = ownerOf(b.Account)
		out.Contents = append(out.Contents, e)
	})
	if err != nil {
		return nil, err
	}
	out.IsTruncated, out.CommonPrefixes = new(p.Truncated), commonPrefixes(p, enc)
	if p.Truncated && l.Delimiter != "" {
		out.NextMarker = enc(p.Last) // without a delimiter the last key is the marker
	}
	return out, nil
}

func (s *Service) listObjectsV2(ctx context.Context, _ *service.Call, in *api.ListObjectsV2Input) (*api.ListObjectsV2Output, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	enc, err := encoder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	size, err := pageSize(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	l := &listing.Listing{Prefix: smithy.Val(in.Prefix), Delimiter: smithy.Val(in.Delimiter), After: smithy.Val(in.StartAfter), Max: size}
	if in.ContinuationToken != nil {
		if l.After, err = openToken(*in.ContinuationToken); err != nil {
			return nil, err
		}
	}
	out := &api.ListObjectsV2Output{
		Name: in.Bucket, Prefix: enc(l.Prefix), Delimiter: nonEmpty(l.Delimiter, enc), StartAfter: nonEmpty(smithy.Val(in.StartAfter), enc),
		MaxKeys: new(int32(size)), EncodingType: in.EncodingType, ContinuationToken: in.ContinuationToken,
	}
	p, err := s.store.listObjects(ctx, b, l, func(o *object) {
		e := entry(o, enc)
		if smithy.Val(in.FetchOwner) {
			e.Owner = ownerOf(b.Account)
		}
		out.Contents = append(out.Contents, e)
	})
	if err != nil {
		return nil, err
	}
	out.IsTruncated, out.CommonPrefixes, out.KeyCount = new(p.Truncated), commonPrefixes(p, enc), new(int32(p.Count))
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
		return "", invalidArgument("The continuation token provided is incorrect")
	}
	return key, nil
}

func (s *Service) listObjectVersions(ctx context.Context, _ *service.Call, in *api.ListObjectVersionsInput) (*api.ListObjectVersionsOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	enc, err := encoder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	size, err := pageSize(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	marker := smithy.Val(in.VersionIdMarker)
	l := &listing.Listing{Prefix: smithy.Val(in.Prefix), Delimiter: smithy.Val(in.Delimiter), After: smithy.Val(in.KeyMarker), Max: size}
	if marker != "" && l.After == "" {
		return nil, invalidArgument("A version-id marker cannot be specified without a key marker.")
	}
	if _, ok := sequenceOf(marker); marker != "" && !ok && marker != nullVersion {
		return nil, invalidArgument("Invalid version id specified")
	}
	out := &api.ListObjectVersionsOutput{
		Name: in.Bucket, Prefix: enc(l.Prefix), KeyMarker: enc(l.After), VersionIdMarker: new(marker), Delimiter: nonEmpty(l.Delimiter, enc),
		MaxKeys: new(int32(size)), EncodingType: in.EncodingType,
	}
	var last *object
	p, err := s.store.listVersions(ctx, b, l, marker, func(o *object, latest bool) {
		last = o
		addVersion(out, b, o, latest, enc)
	})
	if err != nil {
		return nil, err
	}
	out.IsTruncated, out.CommonPrefixes = new(p.Truncated), commonPrefixes(p, enc)
	if p.Truncated {
		out.NextKeyMarker = enc(p.Last)
		if last != nil && last.Key == p.Last {
			out.NextVersionIdMarker = new(last.Version)
		}
	}
	return out, nil
}

func addVersion(out *api.ListObjectVersionsOutput, b *bucket, o *object, latest bool, enc func(string) *string) {
	if o.Marker {
		out.DeleteMarkers = append(out.DeleteMarkers, api.DeleteMarkerEntry{
			Key: enc(o.Key), VersionId: new(o.Version), IsLatest: new(latest), LastModified: new(o.modified()), Owner: ownerOf(b.Account),
		})
		return
	}
	out.Versions = append(out.Versions, api.ObjectVersion{
		Key: enc(o.Key), VersionId: new(o.Version), IsLatest: new(latest), LastModified: new(o.modified()), Owner: ownerOf(b.Account),
		ETag: new(o.quotedETag()), Size: new(o.Size), StorageClass: new(storageClass), ChecksumAlgorithm: sumNames(o.Sums), ChecksumType: nonEmpty(o.SumType, func(s string) *string { return new(s) }),
	})
}
