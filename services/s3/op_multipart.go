package s3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/condition"
	"moln.dev/moln/services/s3/list"
	"moln.dev/moln/services/s3/listing"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/sse"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/write"
)

// uploadRandom follows the sequence in an upload's id.
const uploadRandom = 70

func (s *Service) createMultipartUpload(ctx context.Context, c *service.Call, in *api.CreateMultipartUploadInput) (*api.CreateMultipartUploadOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	o, err := write.NewObject(write.Attributes{
		Key: smithy.Val(in.Key), Meta: in.Metadata, Tagging: in.Tagging, Class: in.StorageClass,
		Headers: map[string]*string{
			store.HeaderContentType: in.ContentType, store.HeaderCacheControl: in.CacheControl, store.HeaderContentDisposition: in.ContentDisposition,
			store.HeaderContentEncoding: in.ContentEncoding, store.HeaderContentLanguage: in.ContentLanguage, store.HeaderExpires: in.Expires, store.HeaderRedirect: in.WebsiteRedirectLocation,
		},
		LockMode: in.ObjectLockMode, LockHold: in.ObjectLockLegalHoldStatus, LockUntil: in.ObjectLockRetainUntilDate, LockEvent: in.ObjectLockEventHold, Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	if err := write.Own(c, b, o, op.UploadList(in)); err != nil {
		return nil, err
	}
	if err := write.CheckLock(c, b, o, nil); err != nil {
		return nil, err
	}
	sumType, err := uploadSumType(checksum.Asked(in.ChecksumAlgorithm), smithy.Val(in.ChecksumType))
	if err != nil {
		return nil, err
	}
	asked := sse.AskedBy(in)
	if o.SSE, _, err = sse.Begin(ctx, c, s.store, s.deps.Ident, b, o.Key, asked); err != nil {
		return nil, err
	}
	u := &store.Upload{
		Key: o.Key, ID: s.deps.Ident.Sortable() + s.deps.Ident.Alnum(uploadRandom), Initiated: c.Now.UTC(), Initiator: c.Caller.ARN,
		Template: *o, Algorithm: checksum.Asked(in.ChecksumAlgorithm), SumType: sumType,
	}
	if err := s.store.PutUpload(ctx, b, u); err != nil {
		return nil, err
	}
	out := &api.CreateMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, UploadId: new(u.ID)}
	sse.Tell(out, o.SSE, asked)
	if sumType != "" {
		out.ChecksumAlgorithm, out.ChecksumType = new(u.Algorithm), new(sumType)
	}
	out.AbortDate, out.AbortRuleId = aborted(b, u)
	return out, nil
}

// uploadSumType decides how an upload's checksum is made: CRC64NVME sums the
// whole object only, the other CRCs either, what cannot be joined the parts only.
func uploadSumType(alg, asked string) (string, error) {
	switch {
	case alg == "" && asked != "":
		return "", s3err.InvalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case alg == "":
		return "", nil
	case checksum.New(alg) == nil:
		return "", checksum.Unknown()
	case alg == checksum.CRC64NVME && asked == checksum.Composite, asked == checksum.FullObject && !checksum.Joins(alg):
		return "", s3err.InvalidRequest("The %s checksum type cannot be used with the %s checksum algorithm.", asked, strings.ToLower(alg))
	case asked != "":
		return asked, nil
	case alg == checksum.CRC64NVME:
		return checksum.FullObject, nil
	}
	return checksum.Composite, nil
}

// aborted tells when a lifecycle rule gives an upload up, and which.
func aborted(b *store.Bucket, u *store.Upload) (*time.Time, *string) {
	at, rule, ok := b.Lifecycle.Abort(u.Key, u.Initiated)
	if !ok {
		return nil, nil
	}
	return new(at), new(url.PathEscape(rule))
}

func checkPartNumber(n *int32) (int, error) {
	if smithy.Val(n) < 1 || smithy.Val(n) > store.PartsMax {
		return 0, s3err.PartNumber(smithy.Val(n))
	}
	return int(*n), nil
}

// openUpload finds the bucket and the upload that a request names.
func (s *Service) openUpload(ctx context.Context, bucketName, key, id *string) (*store.Bucket, *store.Upload, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(bucketName))
	if err != nil {
		return nil, nil, err
	}
	u, err := s.store.Upload(ctx, b, smithy.Val(key), smithy.Val(id))
	return b, u, err
}

func (s *Service) uploadPart(ctx context.Context, c *service.Call, in *api.UploadPartInput) (*api.UploadPartOutput, error) {
	number, err := checkPartNumber(in.PartNumber)
	if err != nil {
		return nil, err
	}
	b, u, err := s.openUpload(ctx, in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	take, err := write.IntakeOf(c, checksum.Asked(in.ChecksumAlgorithm))
	if err != nil {
		return nil, err
	}
	if err := write.CheckLock(c, b, &u.Template, &take.Expect); err != nil {
		return nil, err
	}
	if take.Algorithms, err = partAlgorithms(u, take); err != nil {
		return nil, err
	}
	if u.SumType == checksum.Composite && c.HTTP != nil && len(take.Expect.Algorithms()) == 0 {
		return nil, sumMismatch(u, "null")
	}
	take.AsBlob = true
	asked := sse.AskedBy(in)
	if take.Protect, err = sse.Part(ctx, c, s.store, b, u, asked); err != nil {
		return nil, err
	}
	src := in.Body
	if src == nil {
		src = strings.NewReader("")
	}
	got, err := s.store.Receive(ctx, src, take)
	if err != nil {
		return nil, err
	}
	p, err := s.keepPart(ctx, c, b, u, number, got)
	if err != nil {
		return nil, err
	}
	out := &api.UploadPartOutput{ETag: new(`"` + p.ETag + `"`)}
	sse.Tell(out, u.Template.SSE, asked)
	op.SetSums(p.Sums, out)
	return out, nil
}

// partAlgorithms are what a part is summed by besides what the client sent: the
// upload's algorithm, and CRC64NVME where it has none.
func partAlgorithms(u *store.Upload, take store.Intake) ([]string, error) {
	if u.Algorithm == "" {
		return []string{checksum.CRC64NVME}, nil
	}
	for _, alg := range take.Expect.Algorithms() {
		if alg != u.Algorithm {
			return nil, sumMismatch(u, alg)
		}
	}
	return []string{u.Algorithm}, nil
}

// sumMismatch refuses a part whose checksum cannot become a part of the whole's.
func sumMismatch(u *store.Upload, actual string) error {
	return s3err.InvalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(u.Algorithm), strings.ToLower(actual))
}

func (s *Service) keepPart(ctx context.Context, c *service.Call, b *store.Bucket, u *store.Upload, number int, got *store.Received) (*store.Part, error) {
	p := &store.Part{Number: number, Modified: c.Now.UTC(), ETag: got.ETag, Sums: got.Sums, Body: got.Body}
	if err := s.store.PutPart(ctx, b, u, p); err != nil {
		s.store.Undo(ctx, got, err)
		return nil, err
	}
	return p, nil
}

func (s *Service) uploadPartCopy(ctx context.Context, c *service.Call, in *api.UploadPartCopyInput) (*api.UploadPartCopyOutput, error) {
	number, err := checkPartNumber(in.PartNumber)
	if err != nil {
		return nil, err
	}
	b, u, err := s.openUpload(ctx, in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	from, err := parseSource(smithy.Val(in.CopySource))
	if err != nil {
		return nil, err
	}
	sb, so, err := s.openSource(ctx, c, from, condition.Conditions{
		Match: smithy.Val(in.CopySourceIfMatch), NoneMatch: smithy.Val(in.CopySourceIfNoneMatch),
		ModifiedSince: in.CopySourceIfModifiedSince, Unmodified: in.CopySourceIfUnmodifiedSince,
	})
	if err != nil {
		return nil, err
	}
	at, err := copyRange(in.CopySourceRange, so.Size)
	if err != nil {
		return nil, err
	}
	algs, err := partAlgorithms(u, store.Intake{})
	if err != nil {
		return nil, err
	}
	if err := sse.Unlock(ctx, c, s.store, sb, so, sse.SourceOf(in)); err != nil {
		return nil, err
	}
	asked := sse.AskedBy(in)
	protect, err := sse.Part(ctx, c, s.store, b, u, asked)
	if err != nil {
		return nil, err
	}
	got, err := s.copyBody(ctx, sb, so, at, store.Intake{Algorithms: algs, AsBlob: true, Protect: protect})
	if err != nil {
		return nil, err
	}
	p, err := s.keepPart(ctx, c, b, u, number, got)
	if err != nil {
		return nil, err
	}
	r := &api.CopyPartResult{ETag: new(`"` + p.ETag + `"`), LastModified: new(p.Modified.Truncate(time.Millisecond))}
	op.SetSums(p.Sums, r)
	out := &api.UploadPartCopyOutput{CopyPartResult: r, CopySourceVersionId: store.VisibleVersion(sb, so)}
	sse.Tell(out, u.Template.SSE, asked)
	return out, nil
}

// copyRange reads x-amz-copy-source-range, which must lie within the source.
func copyRange(header *string, size int64) (condition.Span, error) {
	if header == nil {
		if size > store.PutBytesMax {
			return condition.Span{}, s3err.InvalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(store.PutBytesMax))
		}
		return condition.Span{Length: size}, nil
	}
	bad := s3err.InvalidArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	from, to, ok := strings.Cut(strings.TrimPrefix(*header, "bytes="), "-")
	first, err1 := condition.ParsePosition(from)
	last, err2 := condition.ParsePosition(to)
	if !ok || !strings.HasPrefix(*header, "bytes=") || err1 != nil || err2 != nil || last < first {
		return condition.Span{}, bad
	}
	if last >= size {
		return condition.Span{}, s3err.InvalidArgument("Range specified is not valid for source object of size: %d", size)
	}
	if last-first >= store.PutBytesMax {
		return condition.Span{}, s3err.EntityTooLarge()
	}
	return condition.Span{Offset: first, Length: last - first + 1}, nil
}

func (s *Service) completeMultipartUpload(ctx context.Context, c *service.Call, in *api.CompleteMultipartUploadInput) (*api.CompleteMultipartUploadOutput, error) {
	b, u, err := s.openUpload(ctx, in.Bucket, in.Key, in.UploadId)
	if fault.Is(err, "NoSuchUpload") {
		return s.completedBefore(ctx, in, err)
	}
	if err != nil {
		return nil, err
	}
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, s3err.MalformedXML()
	}
	if len(op.GivenSums(in)) > 1 {
		return nil, checksum.Multiple()
	}
	asked := sse.AskedBy(in)
	if err := sse.Finish(c, u, asked); err != nil {
		return nil, err
	}
	have, err := s.store.UploadParts(ctx, u, 0, 0)
	if err != nil {
		return nil, err
	}
	chosen, err := chooseParts(u, in.MultipartUpload.Parts, have)
	if err != nil {
		return s.overtaken(ctx, in, err)
	}
	o, err := assemble(u, chosen, in)
	if err != nil {
		return nil, err
	}
	o.ID, o.Upload = s.deps.Ident.Sortable(), u.ID
	err = s.writer.Commit(ctx, c, b, o, store.Data{Parts: chosen}, write.Options{
		Event: "ObjectCreated:CompleteMultipartUpload",
		Condition: func(cur *store.Object) error {
			return write.Condition(smithy.Val(in.IfMatch), smithy.Val(in.IfNoneMatch), o.Key, cur)
		},
		Also: func(tx *store.Tx) error { return tx.FinishUpload(u, chosen, invalidPart()) },
	})
	if fault.Is(err, "NoSuchUpload") {
		return s.completedBefore(ctx, in, err) // another of the same was faster
	}
	if err != nil {
		return nil, err
	}
	return s.completed(in, b, o, asked), nil
}

func invalidPart() error {
	return fault.New("InvalidPart", 400, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
}

// assemble makes the record of the finished object.
func assemble(u *store.Upload, parts []store.Part, in *api.CompleteMultipartUploadInput) (*store.Object, error) {
	o := u.Template
	o.Key, o.Body = u.Key, store.Body{Parts: len(parts)}
	sum := md5.New()
	for _, p := range parts {
		raw, err := hex.DecodeString(p.ETag)
		if err != nil {
			return nil, err
		}
		sum.Write(raw)
		o.Size += p.Size
	}
	if o.Size > store.ObjectBytesMax {
		return nil, s3err.EntityTooLarge()
	}
	if want := in.MpuObjectSize; want != nil && *want < 0 {
		return nil, s3err.InvalidRequest("Value for x-amz-mp-object-size header is less than zero: '%d'", *want)
	}
	if want := in.MpuObjectSize; want != nil && *want != o.Size {
		return nil, s3err.InvalidRequest("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *want, o.Size)
	}
	o.ETag = hex.EncodeToString(sum.Sum(nil)) + "-" + strconv.Itoa(len(parts))
	alg, sumType := u.Algorithm, u.SumType
	if alg == "" {
		alg, sumType = checksum.CRC64NVME, checksum.FullObject
	}
	if want := smithy.Val(in.ChecksumType); want != "" && want != sumType {
		return nil, s3err.InvalidRequest("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", sumType)
	}
	total, err := totalSum(alg, sumType, parts)
	if err != nil {
		return nil, err
	}
	o.Sums, o.SumType = checksum.Values{alg: total}, sumType
	if err := checkTotal(u, op.GivenSums(in), o.Sums, len(parts)); err != nil {
		return nil, err
	}
	return &o, nil
}

func totalSum(alg, sumType string, parts []store.Part) (string, error) {
	sums, sizes := make([]string, len(parts)), make([]int64, len(parts))
	for i, p := range parts {
		sums[i], sizes[i] = p.Sums[alg], p.Size
	}
	total, ok := "", false
	if sumType == checksum.Composite {
		total, ok = checksum.OfParts(alg, sums)
		total += "-" + strconv.Itoa(len(parts))
	} else {
		total, ok = checksum.Combine(alg, sums, sizes)
	}
	if !ok {
		return "", s3err.InvalidRequest("The upload was created using a %s checksum. The complete request must include the checksum for each part.", strings.ToLower(alg))
	}
	return total, nil
}

func (s *Service) abortMultipartUpload(ctx context.Context, _ *service.Call, in *api.AbortMultipartUploadInput) (*api.AbortMultipartUploadOutput, error) {
	b, u, err := s.openUpload(ctx, in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	if t := in.IfMatchInitiatedTime; t != nil && !t.Equal(u.Initiated.Truncate(time.Second)) {
		return nil, s3err.PreconditionFailed()
	}
	return nil, s.store.EndUpload(ctx, b, u.Key, u.ID)
}

func (s *Service) listParts(ctx context.Context, _ *service.Call, in *api.ListPartsInput) (*api.ListPartsOutput, error) {
	b, u, err := s.openUpload(ctx, in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	size, err := list.PageSize("max-parts", in.MaxParts)
	if err != nil {
		return nil, err
	}
	marker := int(smithy.Val(in.PartNumberMarker))
	parts, err := s.store.UploadParts(ctx, u, marker, size+1)
	if err != nil {
		return nil, err
	}
	out := &api.ListPartsOutput{
		Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, MaxParts: new(int32(size)), PartNumberMarker: new(int32(marker)),
		IsTruncated: new(len(parts) > size), NextPartNumberMarker: new(int32(0)), StorageClass: new(class.Full(u.Template.Class)),
		Owner: naming.Owner(b.OwnerOf(&u.Template)), Initiator: initiator(b, u),
	}
	out.AbortDate, out.AbortRuleId = aborted(b, u)
	if u.Algorithm != "" {
		out.ChecksumAlgorithm, out.ChecksumType = new(u.Algorithm), new(u.SumType)
	}
	for _, p := range parts[:min(size, len(parts))] {
		item := api.Part{PartNumber: new(int32(p.Number)), LastModified: new(p.Modified.Truncate(time.Millisecond)), ETag: new(`"` + p.ETag + `"`), Size: new(p.Size)}
		if u.Algorithm != "" {
			op.SetSums(p.Sums, &item)
		}
		out.Parts = append(out.Parts, item)
		out.NextPartNumberMarker = item.PartNumber
	}
	return out, nil
}

func initiator(b *store.Bucket, u *store.Upload) *api.Initiator {
	if u.Initiator == "" || strings.HasSuffix(u.Initiator, ":root") {
		return &api.Initiator{ID: new(naming.OwnerID(b.Account))}
	}
	name := u.Initiator[strings.LastIndexAny(u.Initiator, "/:")+1:]
	return &api.Initiator{ID: new(u.Initiator), DisplayName: new(name)}
}

func (s *Service) listMultipartUploads(ctx context.Context, _ *service.Call, in *api.ListMultipartUploadsInput) (*api.ListMultipartUploadsOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	enc, err := list.Encoder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	size, err := list.PageSize("max-uploads", in.MaxUploads)
	if err != nil {
		return nil, err
	}
	marker := ""
	if in.KeyMarker != nil {
		marker = smithy.Val(in.UploadIdMarker) // ignored without a key
	}
	l := &listing.Listing{Prefix: smithy.Val(in.Prefix), Delimiter: smithy.Val(in.Delimiter), After: smithy.Val(in.KeyMarker), Max: size}
	out := &api.ListMultipartUploadsOutput{
		Bucket: in.Bucket, Prefix: enc(l.Prefix), Delimiter: list.NonEmpty(l.Delimiter, enc), KeyMarker: enc(l.After), UploadIdMarker: new(marker),
		MaxUploads: new(int32(size)), EncodingType: in.EncodingType,
	}
	p, err := s.store.ListUploads(ctx, b, l, marker, func(u *store.Upload) {
		item := api.MultipartUpload{
			UploadId: new(u.ID), Key: enc(u.Key), Initiated: new(u.Initiated.Truncate(time.Millisecond)), StorageClass: new(class.Full(u.Template.Class)),
			Owner: naming.Owner(b.OwnerOf(&u.Template)), Initiator: initiator(b, u),
		}
		if u.Algorithm != "" {
			item.ChecksumAlgorithm, item.ChecksumType = new(u.Algorithm), new(u.SumType)
		}
		out.Uploads = append(out.Uploads, item)
	})
	if err != nil {
		return nil, err
	}
	out.IsTruncated, out.CommonPrefixes = new(p.Truncated), list.CommonPrefixes(p, enc)
	if p.Truncated {
		out.NextKeyMarker = enc(p.Last)
		if n := len(out.Uploads); n > 0 && !slices.Contains(p.Prefixes, p.Last) {
			out.NextUploadIdMarker = out.Uploads[n-1].UploadId
		}
	}
	return out, nil
}
