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
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/condition"
	"moln.dev/moln/services/s3/listing"
)

// uploadRandom follows the sequence in an upload's id.
const uploadRandom = 70

func (s *Service) createMultipartUpload(ctx context.Context, c *service.Call, in *api.CreateMultipartUploadInput) (*api.CreateMultipartUploadOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
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
	sumType, err := uploadSumType(smithy.Val(in.ChecksumAlgorithm), smithy.Val(in.ChecksumType))
	if err != nil {
		return nil, err
	}
	u := &upload{
		Key: o.Key, ID: s.deps.Ident.Sortable() + s.deps.Ident.Alnum(uploadRandom), Initiated: c.Now.UTC(), Initiator: c.Caller.ARN,
		Template: *o, Algorithm: smithy.Val(in.ChecksumAlgorithm), SumType: sumType,
	}
	if err := s.store.putUpload(ctx, b, u); err != nil {
		return nil, err
	}
	out := &api.CreateMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, UploadId: new(u.ID), ServerSideEncryption: new(sseS3), ChecksumAlgorithm: in.ChecksumAlgorithm}
	if sumType != "" {
		out.ChecksumType = new(sumType)
	}
	return out, nil
}

// uploadSumType decides how an upload's checksum is made: CRC64NVME sums the
// whole object only, SHAs the parts only, the other CRCs either.
func uploadSumType(alg, asked string) (string, error) {
	switch {
	case alg == "" && asked != "":
		return "", invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case alg == "":
		return "", nil
	case checksum.New(alg) == nil:
		return "", notImplemented("moln does not know the checksum algorithm %s", alg)
	case alg == checksum.CRC64NVME && asked == checksum.Composite, (alg == checksum.SHA1 || alg == checksum.SHA256) && asked == checksum.FullObject:
		return "", invalidRequest("The %s checksum type cannot be used with the %s checksum algorithm.", asked, strings.ToLower(alg))
	case asked != "":
		return asked, nil
	case alg == checksum.CRC64NVME:
		return checksum.FullObject, nil
	}
	return checksum.Composite, nil
}

func checkPartNumber(n *int32) (int, error) {
	if smithy.Val(n) < 1 || smithy.Val(n) > partsMax {
		return 0, invalidArgument("Part number must be an integer between 1 and 10000, inclusive")
	}
	return int(*n), nil
}

// openUpload finds the bucket and the upload that a request names.
func (s *Service) openUpload(ctx context.Context, bucketName, key, id *string) (*bucket, *upload, error) {
	b, err := s.store.bucket(ctx, smithy.Val(bucketName))
	if err != nil {
		return nil, nil, err
	}
	u, err := s.store.upload(ctx, b, smithy.Val(key), smithy.Val(id))
	return b, u, err
}

func (s *Service) uploadPart(ctx context.Context, c *service.Call, in *api.UploadPartInput) (*api.UploadPartOutput, error) {
	number, err := checkPartNumber(in.PartNumber)
	if err != nil {
		return nil, err
	}
	if err := refuseCustomerKeys(in.SSECustomerAlgorithm, in.SSECustomerKey); err != nil {
		return nil, err
	}
	b, u, err := s.openUpload(ctx, in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	take, err := s.intakeOf(c, smithy.Val(in.ChecksumAlgorithm))
	if err != nil {
		return nil, err
	}
	if take.algs, err = partAlgorithms(u, take); err != nil {
		return nil, err
	}
	take.asBlob = true
	src := in.Body
	if src == nil {
		src = strings.NewReader("")
	}
	got, err := s.receive(ctx, src, take)
	if err != nil {
		return nil, err
	}
	p, err := s.keepPart(ctx, c, b, u, number, got)
	if err != nil {
		return nil, err
	}
	out := &api.UploadPartOutput{ETag: new(`"` + p.ETag + `"`), ServerSideEncryption: new(sseS3)}
	setSums(p.Sums, &out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256)
	return out, nil
}

// partAlgorithms are what a part is summed by besides what the client sent: the
// upload's algorithm, and CRC64NVME where it has none.
func partAlgorithms(u *upload, take intake) ([]string, error) {
	if u.Algorithm == "" {
		return []string{checksum.CRC64NVME}, nil
	}
	for _, alg := range take.expect.Algorithms() {
		if alg != u.Algorithm {
			return nil, invalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(u.Algorithm), strings.ToLower(alg))
		}
	}
	return []string{u.Algorithm}, nil
}

func (s *Service) keepPart(ctx context.Context, c *service.Call, b *bucket, u *upload, number int, got *received) (*part, error) {
	p := &part{Number: number, Modified: c.Now.UTC(), ETag: got.etag, Sums: got.sums, body: got.body}
	left, err := s.store.putPart(ctx, b, u, p)
	if err != nil {
		s.undo(ctx, got, err)
		return nil, err
	}
	s.discard(ctx, left.garbage...)
	return p, nil
}

func (s *Service) uploadPartCopy(ctx context.Context, c *service.Call, in *api.UploadPartCopyInput) (*api.UploadPartCopyOutput, error) {
	number, err := checkPartNumber(in.PartNumber)
	if err != nil {
		return nil, err
	}
	if err := refuseCustomerKeys(in.SSECustomerAlgorithm, in.CopySourceSSECustomerAlgorithm); err != nil {
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
	algs, err := partAlgorithms(u, intake{})
	if err != nil {
		return nil, err
	}
	got, err := s.copyBody(ctx, so, at, algs, true)
	if err != nil {
		return nil, err
	}
	p, err := s.keepPart(ctx, c, b, u, number, got)
	if err != nil {
		return nil, err
	}
	r := &api.CopyPartResult{ETag: new(`"` + p.ETag + `"`), LastModified: new(p.Modified.Truncate(time.Millisecond))}
	setSums(p.Sums, &r.ChecksumCRC32, &r.ChecksumCRC32C, &r.ChecksumCRC64NVME, &r.ChecksumSHA1, &r.ChecksumSHA256)
	return &api.UploadPartCopyOutput{CopyPartResult: r, CopySourceVersionId: visibleVersion(sb, so), ServerSideEncryption: new(sseS3)}, nil
}

// copyRange reads x-amz-copy-source-range, which must lie within the source.
func copyRange(header *string, size int64) (condition.Span, error) {
	if header == nil {
		if size > putBytesMax {
			return condition.Span{}, invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(putBytesMax))
		}
		return condition.Span{Length: size}, nil
	}
	bad := invalidArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	from, to, ok := strings.Cut(strings.TrimPrefix(*header, "bytes="), "-")
	first, err1 := condition.ParsePosition(from)
	last, err2 := condition.ParsePosition(to)
	if !ok || !strings.HasPrefix(*header, "bytes=") || err1 != nil || err2 != nil || last < first {
		return condition.Span{}, bad
	}
	if last >= size {
		return condition.Span{}, invalidArgument("Range specified is not valid for source object of size: %d", size)
	}
	if last-first >= putBytesMax {
		return condition.Span{}, entityTooLarge()
	}
	return condition.Span{Offset: first, Length: last - first + 1}, nil
}

func (s *Service) completeMultipartUpload(ctx context.Context, c *service.Call, in *api.CompleteMultipartUploadInput) (*api.CompleteMultipartUploadOutput, error) {
	b, u, err := s.openUpload(ctx, in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, malformedXML()
	}
	have, err := uploadParts(func(r kv.Range) ([]kv.Item, error) { return s.store.kv.Scan(ctx, r) }, u.ID, 0, 0)
	if err != nil {
		return nil, err
	}
	chosen, err := chooseParts(in.MultipartUpload.Parts, have)
	if err != nil {
		return nil, err
	}
	o, err := assemble(u, chosen, in)
	if err != nil {
		return nil, err
	}
	o.ID = s.deps.Ident.Sortable()
	kept := map[int]bool{}
	for _, p := range chosen {
		kept[p.Number] = true
	}
	err = s.commit(ctx, c, b, o, data{parts: chosen}, commitOptions{
		event: "ObjectCreated:CompleteMultipartUpload",
		condition: func(cur *object) error {
			return writeCondition(smithy.Val(in.IfMatch), smithy.Val(in.IfNoneMatch), o.Key, cur)
		},
		also: func(tx *kv.Tx, left *pending) error { return s.finishUpload(tx, b, u, chosen, kept, left) },
	})
	if err != nil {
		return nil, err
	}
	out := &api.CompleteMultipartUploadOutput{
		Location: new(s.deps.Site.Endpoint + "/" + b.Name + "/" + (&url.URL{Path: o.Key}).EscapedPath()), Bucket: in.Bucket, Key: in.Key,
		ETag: new(o.quotedETag()), ServerSideEncryption: new(sseS3), VersionId: visibleVersion(b, o), ChecksumType: new(o.SumType),
	}
	setSums(o.Sums, &out.ChecksumCRC32, &out.ChecksumCRC32C, &out.ChecksumCRC64NVME, &out.ChecksumSHA1, &out.ChecksumSHA256)
	return out, nil
}

// finishUpload removes the upload in the transaction that stores its object,
// after looking that no part was replaced meanwhile.
func (s *Service) finishUpload(tx *kv.Tx, b *bucket, u *upload, chosen []part, kept map[int]bool, left *pending) error {
	if _, err := uploadIn(tx, b, u.Key, u.ID); err != nil {
		return err
	}
	now, err := uploadParts(tx.Scan, u.ID, 0, 0)
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, p := range now {
		ids[p.ID] = true
	}
	for _, p := range chosen {
		if !ids[p.ID] {
			return invalidPart()
		}
	}
	return dropUpload(tx, b, u, now, kept, left)
}

func invalidPart() error {
	return fault.New("InvalidPart", 400, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
}

// chooseParts finds the parts that a completion lists: in ascending order, with
// their ETags and checksums, and all but the last of the least size.
func chooseParts(listed []api.CompletedPart, have []part) ([]part, error) {
	byNumber := map[int]*part{}
	for i := range have {
		byNumber[have[i].Number] = &have[i]
	}
	var out []part
	last := 0
	for _, l := range listed {
		n := int(smithy.Val(l.PartNumber))
		if n <= last {
			return nil, fault.New("InvalidPartOrder", 400, "The list of parts was not in ascending order. Parts must be ordered by part number.")
		}
		last = n
		p := byNumber[n]
		if p == nil || strings.Trim(smithy.Val(l.ETag), `"`) != p.ETag {
			return nil, invalidPart()
		}
		for alg, v := range map[string]*string{checksum.CRC32: l.ChecksumCRC32, checksum.CRC32C: l.ChecksumCRC32C, checksum.CRC64NVME: l.ChecksumCRC64NVME, checksum.SHA1: l.ChecksumSHA1, checksum.SHA256: l.ChecksumSHA256} {
			if v != nil && *v != p.Sums[alg] {
				return nil, invalidPart()
			}
		}
		out = append(out, *p)
	}
	for _, p := range out[:len(out)-1] {
		if p.Size < partBytesMin {
			return nil, fault.New("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size")
		}
	}
	return out, nil
}

// assemble makes the record of the finished object.
func assemble(u *upload, parts []part, in *api.CompleteMultipartUploadInput) (*object, error) {
	o := u.Template
	o.Key, o.body = u.Key, body{Parts: len(parts)}
	sum := md5.New()
	for _, p := range parts {
		raw, err := hex.DecodeString(p.ETag)
		if err != nil {
			return nil, err
		}
		sum.Write(raw)
		o.Size += p.Size
	}
	if o.Size > objectBytesMax {
		return nil, entityTooLarge()
	}
	if want := in.MpuObjectSize; want != nil && *want != o.Size {
		return nil, invalidRequest("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *want, o.Size)
	}
	o.ETag = hex.EncodeToString(sum.Sum(nil)) + "-" + strconv.Itoa(len(parts))
	alg, sumType := u.Algorithm, u.SumType
	if alg == "" {
		alg, sumType = checksum.CRC64NVME, checksum.FullObject
	}
	if want := smithy.Val(in.ChecksumType); want != "" && want != sumType {
		return nil, invalidRequest("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", sumType)
	}
	total, err := totalSum(alg, sumType, parts)
	if err != nil {
		return nil, err
	}
	o.Sums, o.SumType = checksum.Values{alg: total}, sumType
	given := map[string]*string{checksum.CRC32: in.ChecksumCRC32, checksum.CRC32C: in.ChecksumCRC32C, checksum.CRC64NVME: in.ChecksumCRC64NVME, checksum.SHA1: in.ChecksumSHA1, checksum.SHA256: in.ChecksumSHA256}
	for a, v := range given {
		if v != nil && (a != alg || strings.TrimSuffix(*v, "-"+strconv.Itoa(len(parts))) != strings.TrimSuffix(total, "-"+strconv.Itoa(len(parts)))) {
			return nil, badDigest("The %s you specified did not match the calculated checksum.", a)
		}
	}
	return &o, nil
}

func totalSum(alg, sumType string, parts []part) (string, error) {
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
		return "", invalidRequest("The upload was created using a %s checksum. The complete request must include the checksum for each part.", strings.ToLower(alg))
	}
	return total, nil
}

func (s *Service) abortMultipartUpload(ctx context.Context, _ *service.Call, in *api.AbortMultipartUploadInput) (*api.AbortMultipartUploadOutput, error) {
	b, u, err := s.openUpload(ctx, in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	if t := in.IfMatchInitiatedTime; t != nil && !t.Equal(u.Initiated.Truncate(time.Second)) {
		return nil, preconditionFailed()
	}
	left, err := s.store.endUpload(ctx, b, u.Key, u.ID)
	if err != nil {
		return nil, err
	}
	s.discard(ctx, left.garbage...)
	return nil, nil
}

func (s *Service) listParts(ctx context.Context, _ *service.Call, in *api.ListPartsInput) (*api.ListPartsOutput, error) {
	b, u, err := s.openUpload(ctx, in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	size, err := pageSize(in.MaxParts)
	if err != nil {
		return nil, err
	}
	marker := int(smithy.Val(in.PartNumberMarker))
	parts, err := uploadParts(func(r kv.Range) ([]kv.Item, error) { return s.store.kv.Scan(ctx, r) }, u.ID, marker, size+1)
	if err != nil {
		return nil, err
	}
	out := &api.ListPartsOutput{
		Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, MaxParts: new(int32(size)), PartNumberMarker: new(int32(marker)),
		IsTruncated: new(len(parts) > size), NextPartNumberMarker: new(int32(0)), StorageClass: new(storageClass),
		Owner: ownerOf(b.Account), Initiator: initiator(b, u),
	}
	if u.Algorithm != "" {
		out.ChecksumAlgorithm, out.ChecksumType = new(u.Algorithm), new(u.SumType)
	}
	for _, p := range parts[:min(size, len(parts))] {
		item := api.Part{PartNumber: new(int32(p.Number)), LastModified: new(p.Modified.Truncate(time.Millisecond)), ETag: new(`"` + p.ETag + `"`), Size: new(p.Size)}
		if u.Algorithm != "" {
			setSums(p.Sums, &item.ChecksumCRC32, &item.ChecksumCRC32C, &item.ChecksumCRC64NVME, &item.ChecksumSHA1, &item.ChecksumSHA256)
		}
		out.Parts = append(out.Parts, item)
		out.NextPartNumberMarker = item.PartNumber
	}
	return out, nil
}

func initiator(b *bucket, u *upload) *api.Initiator {
	if u.Initiator == "" || strings.HasSuffix(u.Initiator, ":root") {
		return &api.Initiator{ID: new(ownerID(b.Account))}
	}
	name := u.Initiator[strings.LastIndexAny(u.Initiator, "/:")+1:]
	return &api.Initiator{ID: new(u.Initiator), DisplayName: new(name)}
}

func (s *Service) listMultipartUploads(ctx context.Context, _ *service.Call, in *api.ListMultipartUploadsInput) (*api.ListMultipartUploadsOutput, error) {
	b, err := s.store.bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	enc, err := encoder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	size, err := pageSize(in.MaxUploads)
	if err != nil {
		return nil, err
	}
	marker := ""
	if in.KeyMarker != nil {
		marker = smithy.Val(in.UploadIdMarker) // ignored without a key
	}
	l := &listing.Listing{Prefix: smithy.Val(in.Prefix), Delimiter: smithy.Val(in.Delimiter), After: smithy.Val(in.KeyMarker), Max: size}
	out := &api.ListMultipartUploadsOutput{
		Bucket: in.Bucket, Prefix: enc(l.Prefix), Delimiter: nonEmpty(l.Delimiter, enc), KeyMarker: enc(l.After), UploadIdMarker: new(marker),
		MaxUploads: new(int32(size)), EncodingType: in.EncodingType,
	}
	p, err := s.store.listUploads(ctx, b, l, marker, func(u *upload) {
		item := api.MultipartUpload{
			UploadId: new(u.ID), Key: enc(u.Key), Initiated: new(u.Initiated.Truncate(time.Millisecond)), StorageClass: new(storageClass),
			Owner: ownerOf(b.Account), Initiator: initiator(b, u),
		}
		if u.Algorithm != "" {
			item.ChecksumAlgorithm, item.ChecksumType = new(u.Algorithm), new(u.SumType)
		}
		out.Uploads = append(out.Uploads, item)
	})
	if err != nil {
		return nil, err
	}
	out.IsTruncated, out.CommonPrefixes = new(p.Truncated), commonPrefixes(p, enc)
	if p.Truncated {
		out.NextKeyMarker = enc(p.Last)
		if n := len(out.Uploads); n > 0 && !slices.Contains(p.Prefixes, p.Last) {
			out.NextUploadIdMarker = out.Uploads[n-1].UploadId
		}
	}
	return out, nil
}

// listUploads calls fn with the uploads of one page, by key and then by when
// they began.
func (s *store) listUploads(ctx context.Context, b *bucket, l *listing.Listing, marker string, fn func(u *upload)) (*listing.Page, error) {
	w := listing.New(ctx, s.kv, tuple.Key("u", b.ID), l)
	if marker != "" {
		w.From(kv.Range{}.After(keyUpload(b, l.After, marker)).Start)
	}
	return w.Walk(func(kv.Item) (bool, error) { return true, nil }, func(_ string, it kv.Item) error {
		u, err := decodeUpload(it)
		if err == nil {
			fn(u)
		}
		return err
	})
}
