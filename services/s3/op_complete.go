package s3

import (
	"context"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/sse"
	"moln.dev/moln/services/s3/store"
)

// completed is the answer to the completion of an upload that became o.
func (s *Service) completed(in *api.CompleteMultipartUploadInput, b *store.Bucket, o *store.Object, asked sse.Asked) *api.CompleteMultipartUploadOutput {
	out := &api.CompleteMultipartUploadOutput{
		Location: new(s.deps.Site.Endpoint + "/" + b.Name + "/" + (&url.URL{Path: o.Key}).EscapedPath()), Bucket: in.Bucket, Key: in.Key,
		ETag: new(o.QuotedETag()), VersionId: store.WrittenVersion(o), ChecksumType: new(o.SumType),
		Expiration: o.Expiration(b),
	}
	sse.Tell(out, o.SSE, asked)
	op.SetSums(o.Sums, out)
	return out
}

// completedBefore answers a completion that is repeated, as clients do who lost
// the answer to the first: as long as the object that the upload became is the
// current one, the answer is the same again.
func (s *Service) completedBefore(ctx context.Context, in *api.CompleteMultipartUploadInput, gone error) (*api.CompleteMultipartUploadOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	o, err := s.store.Current(ctx, b, smithy.Val(in.Key))
	if err != nil {
		return nil, err
	}
	if o == nil || o.Upload == "" || o.Upload != smithy.Val(in.UploadId) {
		return nil, gone
	}
	return s.completed(in, b, o, sse.AskedBy(in)), nil
}

// overtaken answers a completion whose parts are not there: another of the same
// may have taken them since the upload was read.
func (s *Service) overtaken(ctx context.Context, in *api.CompleteMultipartUploadInput, cause error) (*api.CompleteMultipartUploadOutput, error) {
	_, _, err := s.openUpload(ctx, in.Bucket, in.Key, in.UploadId)
	if fault.Is(err, "NoSuchUpload") {
		return s.completedBefore(ctx, in, err)
	}
	return nil, cause
}

// chooseParts finds the parts that a completion lists: in ascending order, with
// their ETags and checksums, and all but the last of the least size.
func chooseParts(u *store.Upload, listed []api.CompletedPart, have []store.Part) ([]store.Part, error) {
	byNumber := map[int]*store.Part{}
	for i := range have {
		byNumber[have[i].Number] = &have[i]
	}
	var out []store.Part
	last := 0
	for i := range listed {
		l := &listed[i]
		if l.PartNumber == nil || l.ETag == nil {
			return nil, s3err.MalformedXML()
		}
		n := int(*l.PartNumber)
		if n < 1 {
			return nil, s3err.Argument("PartNumber", strconv.Itoa(n), "PartNumber must be >= 1")
		}
		if n <= last {
			return nil, fault.New("InvalidPartOrder", 400, "The list of parts was not in ascending order. Parts must be ordered by part number.").
				WithBody(map[string]string{"UploadId": u.ID})
		}
		last = n
		p := byNumber[n]
		if p == nil || strings.Trim(*l.ETag, `"`) != p.ETag {
			return nil, missingPart(u, l)
		}
		if err := checkPartSums(u, l, p); err != nil {
			return nil, err
		}
		out = append(out, *p)
	}
	for i, p := range out[:len(out)-1] {
		if p.Size < store.PartBytesMin {
			return nil, fault.New("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size").WithBody(map[string]string{
				"ETag": p.ETag, "MinSizeAllowed": strconv.Itoa(store.PartBytesMin), "PartNumber": strconv.Itoa(int(*listed[i].PartNumber)), "ProposedSize": strconv.FormatInt(p.Size, 10),
			})
		}
	}
	return out, nil
}

func missingPart(u *store.Upload, l *api.CompletedPart) error {
	return fault.As(invalidPart()).WithBody(map[string]string{
		"UploadId": u.ID, "PartNumber": strconv.Itoa(int(*l.PartNumber)), "ETag": strings.Trim(*l.ETag, `"`),
	})
}

// checkPartSums compares the checksum that a completion lists for a part. An
// upload whose checksum is made of the parts' own wants them all.
func checkPartSums(u *store.Upload, l *api.CompletedPart, p *store.Part) error {
	given := op.GivenSums(l)
	bad := len(given) > 1
	for alg, v := range given {
		bad = bad || !validSum(alg, v)
	}
	if bad {
		var text strings.Builder
		for _, alg := range checksum.All() {
			if v, ok := given[alg]; ok && len(given) > 1 {
				text.WriteString(alg + ":" + v + ";")
			} else if ok {
				text.WriteString(v)
			}
		}
		return s3err.Argument("Checksum", text.String(), "Invalid Base64 or multiple checksums present in request")
	}
	for alg, v := range given {
		switch have, ok := p.Sums[alg]; {
		case u.Algorithm != "" && alg != u.Algorithm || !ok:
			return s3err.BadDigest("The %s you specified for part %d did not match what we received.", strings.ToLower(alg), *l.PartNumber)
		case have != v:
			return missingPart(u, l)
		}
	}
	if len(given) == 0 && u.SumType == checksum.Composite {
		return s3err.InvalidRequest("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.", strings.ToLower(u.Algorithm), *l.PartNumber)
	}
	return nil
}

// validSum reports whether v could be a checksum of that algorithm.
func validSum(alg, v string) bool {
	h := checksum.New(alg)
	raw, err := base64.StdEncoding.DecodeString(v)
	return h != nil && err == nil && len(raw) == h.Size()
}

// checkTotal compares the checksum of the whole object that a completion tells.
// Where the upload has no algorithm it is not looked at, as at AWS.
func checkTotal(u *store.Upload, given, have checksum.Values, parts int) error {
	if len(given) > 1 {
		return s3err.InvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	suffix := "-" + strconv.Itoa(parts)
	for alg, v := range given {
		bare := strings.TrimSuffix(v, suffix)
		if u.SumType == checksum.FullObject {
			bare = v
		}
		switch {
		case !validSum(alg, bare):
			return s3err.InvalidRequest("Value for x-amz-checksum-%s header is invalid.", strings.ToLower(alg))
		case u.Algorithm == "":
			return nil
		case alg != u.Algorithm || bare != strings.TrimSuffix(have[alg], suffix):
			return s3err.BadDigest("The %s you specified did not match the calculated checksum.", alg)
		}
	}
	return nil
}
