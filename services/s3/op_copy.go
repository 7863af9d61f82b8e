package s3

import (
	"context"
	"io"
	"net/url"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/condition"
)

// source is what x-amz-copy-source names.
type source struct {
	bucket, key string
	version     *string
}

// parseSource reads [/]bucket/key[?versionId=id], percent-encoded.
func parseSource(header string) (source, error) {
	bad := invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	path, query, hasQuery := strings.Cut(header, "?versionId=")
	if strings.HasPrefix(path, "arn:") {
		return source{}, notImplemented("moln has no access points")
	}
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return source{}, bad
	}
	name, key, ok := strings.Cut(path, "/")
	if !ok || name == "" || key == "" {
		return source{}, bad
	}
	src := source{bucket: name, key: key}
	if hasQuery {
		src.version = new(query)
	}
	return src, nil
}

// openSource finds the object that is copied, and judges the copy's conditions.
func (s *Service) openSource(ctx context.Context, c *service.Call, src source, cond condition.Conditions) (*bucket, *object, error) {
	b, err := s.store.bucket(ctx, src.bucket)
	if err != nil {
		return nil, nil, err
	}
	o, err := s.read(ctx, c, b, src.key, src.version)
	if err != nil {
		return nil, nil, err
	}
	if cond.Judge(o.ETag, o.modified()) != condition.Proceed {
		return nil, nil, preconditionFailed()
	}
	return b, o, nil
}

func (s *Service) copyObject(ctx context.Context, c *service.Call, in *api.CopyObjectInput) (*api.CopyObjectOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	from, err := parseSource(smithy.Val(in.CopySource))
	if err != nil {
		return nil, err
	}
	if err := refuseCustomerKeys(in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey); err != nil {
		return nil, err
	}
	sb, so, err := s.openSource(ctx, c, from, condition.Conditions{
		Match: smithy.Val(in.CopySourceIfMatch), NoneMatch: smithy.Val(in.CopySourceIfNoneMatch),
		ModifiedSince: in.CopySourceIfModifiedSince, Unmodified: in.CopySourceIfUnmodifiedSince,
	})
	if err != nil {
		return nil, err
	}
	if so.Size > putBytesMax {
		return nil, invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(putBytesMax))
	}
	o, err := s.copied(ctx, c, b, sb, so, in)
	if err != nil {
		return nil, err
	}
	holds := func(cur *object) error {
		return writeCondition(smithy.Val(in.IfMatch), smithy.Val(in.IfNoneMatch), o.Key, cur)
	}
	alg := smithy.Val(in.ChecksumAlgorithm)
	got, err := s.copyBody(ctx, so, condition.Span{Length: so.Size}, copyAlgorithms(alg, so), false)
	if err != nil {
		return nil, err
	}
	o.body, o.ETag, o.Sums, o.SumType = got.body, got.etag, got.sums, checksum.FullObject
	if err := s.commit(ctx, c, b, o, data{inline: got.inline}, commitOptions{event: "ObjectCreated:Copy", condition: holds}); err != nil {
		s.undo(ctx, got, err)
		return nil, err
	}
	result := &api.CopyObjectResult{ETag: new(o.quotedETag()), LastModified: new(o.Modified.UTC().Truncate(time.Millisecond)), ChecksumType: new(o.SumType)}
	setSums(o.Sums, &result.ChecksumCRC32, &result.ChecksumCRC32C, &result.ChecksumCRC64NVME, &result.ChecksumSHA1, &result.ChecksumSHA256)
	return &api.CopyObjectOutput{
		CopyObjectResult: result, CopySourceVersionId: visibleVersion(sb, so), VersionId: visibleVersion(b, o), ServerSideEncryption: new(sseS3),
	}, nil
}

// copyAlgorithms keeps the source's checksum algorithm unless another is asked
// for.
func copyAlgorithms(asked string, so *object) []string {
	if asked != "" {
		return []string{asked}
	}
	if names := sumNames(so.Sums); len(names) > 0 {
		return names
	}
	return []string{checksum.CRC64NVME}
}

// copied makes the record of the copy: the source's properties, or new ones.
func (s *Service) copied(ctx context.Context, c *service.Call, b, sb *bucket, so *object, in *api.CopyObjectInput) (*object, error) {
	directive, tagging := smithy.Val(in.MetadataDirective), smithy.Val(in.TaggingDirective)
	if alg := smithy.Val(in.ChecksumAlgorithm); alg != "" && checksum.New(alg) == nil {
		return nil, notImplemented("moln does not know the checksum algorithm %s", alg)
	}
	o, err := newObject(attributes{
		key: smithy.Val(in.Key), meta: in.Metadata, tagging: in.Tagging, acl: in.ACL, class: in.StorageClass,
		headers: map[string]*string{
			hContentType: in.ContentType, hCacheControl: in.CacheControl, hContentDisposition: in.ContentDisposition,
			hContentEncoding: in.ContentEncoding, hContentLanguage: in.ContentLanguage, hExpires: in.Expires, hRedirect: in.WebsiteRedirectLocation,
		},
		sse: in.ServerSideEncryption, kmsKey: in.SSEKMSKeyId, kmsContext: in.SSEKMSEncryptionContext,
		grants:            []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP},
		customerAlgorithm: in.SSECustomerAlgorithm, customerKey: in.SSECustomerKey,
		lockMode: in.ObjectLockMode, lockHold: in.ObjectLockLegalHoldStatus, lockUntil: in.ObjectLockRetainUntilDate,
	})
	if err != nil {
		return nil, err
	}
	replace := directive == "REPLACE"
	if b.Name == sb.Name && o.Key == so.Key && b.Versioning == "" && !replace && tagging != "REPLACE" &&
		in.StorageClass == nil && in.WebsiteRedirectLocation == nil && in.ServerSideEncryption == nil {
		return nil, invalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if !replace {
		redirect := o.Headers[hRedirect]
		o.Meta, o.Headers = so.Meta, map[string]string{}
		for k, v := range so.Headers {
			if k != hRedirect { // never copied
				o.Headers[k] = v
			}
		}
		if redirect != "" {
			o.Headers[hRedirect] = redirect
		}
	}
	if tagging == "REPLACE" {
		return o, nil
	}
	if o.Tags = so.Tags; len(o.Tags) == 0 {
		return o, nil
	}
	if err := c.Judge(ctx, s.check(c, sb, "s3:GetObjectTagging", objectARN(sb.Name, so.Key), requestKeys(c))); err != nil {
		return nil, err
	}
	return o, c.Judge(ctx, s.check(c, b, "s3:PutObjectTagging", objectARN(b.Name, o.Key), requestKeys(c)))
}

// copyBody takes in a part of another object's body, encrypted anew.
func (s *Service) copyBody(ctx context.Context, so *object, at condition.Span, algs []string, asBlob bool) (*received, error) {
	src, err := s.open(ctx, so, at)
	if isGone(err) {
		return nil, noSuchKey(so.Key)
	}
	if err != nil {
		return nil, err
	}
	defer src.Close()
	got, err := s.receive(ctx, src, intake{algs: algs, max: putBytesMax, asBlob: asBlob})
	if err != nil {
		return nil, err
	}
	if got.Size != at.Length {
		s.discard(ctx, got.Blob)
		return nil, io.ErrUnexpectedEOF
	}
	return got, nil
}
