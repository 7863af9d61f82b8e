package backup

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
)

// Export is an export as it is stored.
type Export struct {
	ID, Table, TableARN, TableID string
	Status                       string
	Start, Time                  time.Time
	End                          time.Time `json:",omitzero"`
	In                           *api.ExportTableToPointInTimeInput
	// Caller is who asked: what is written is written as him.
	Caller              identity.Principal
	Items, Bytes        int64
	Manifest            string `json:",omitempty"`
	FailCode, FailCause string `json:",omitempty"`
}

func (e *Export) arn() string { return e.TableARN + "/export/" + e.ID }

func (e *Export) incremental() bool {
	return smithy.Val(e.In.ExportType) == api.ExportTypeIncrementalExport
}

func (e *Export) view() string {
	if spec := e.In.IncrementalExportSpecification; spec != nil && spec.ExportViewType != nil {
		return *spec.ExportViewType
	}
	return api.ExportViewTypeNewAndOldImages
}

const (
	// fileBytes is how big data files are, compressed, but for their last item.
	fileBytes = 8 << 20
	// manifestVersion is that of the manifests' form.
	manifestVersion = "2020-06-30"
)

// runExport writes a table as it was, or what was changed in it, to S3.
func (s *Service) runExport(ctx context.Context, w work) error {
	key := recordKey(w.Place, exportRecord, w.Source.Table, w.ID)
	raw, err := s.db.Get(ctx, key)
	e, err := read[Export](raw, err, nil)
	if err != nil || e == nil {
		return err
	}
	if e.Status == api.ExportStatusInProgress {
		if s.clock.Now().Before(w.Source.At.Add(table.Settling)) {
			return sched.Again(soon)
		}
		err := s.writeExport(ctx, w, e)
		if f := fault.As(err); f != nil && f.Status < http.StatusInternalServerError {
			e.Status, e.FailCode, e.FailCause = api.ExportStatusFailed, failure(f), f.Message
		} else if err != nil {
			return err
		} else {
			e.Status = api.ExportStatusCompleted
		}
		e.End = table.Rounded(s.clock.Now())
		if err := s.db.Update(ctx, func(tx *kv.Tx) error { return put(tx, key, e) }, key); err != nil {
			return err
		}
	}
	if err := s.store.DropCopy(ctx, w.CopyOf(w.ID)); err != nil {
		return err
	}
	return s.release(ctx, w)
}

// failure is DynamoDB's name of what S3 says.
func failure(f *fault.Fault) string {
	switch f.Code {
	case "AccessDenied", "NoSuchBucket", "NoSuchKey":
		return "S3" + f.Code
	}
	return f.Code
}

func (s *Service) writeExport(ctx context.Context, w work, e *Export) error {
	o := &files{s: s, e: e, call: s.system(w.Account, w.Region).As(e.Caller)}
	if _, err := o.put(ctx, "_started", nil, ""); err != nil {
		return err
	}
	to := w.CopyOf(w.ID)
	line := fullLine
	if e.incremental() {
		t, err := s.ready(ctx, w)
		if err != nil {
			return err
		}
		h := store.History{Log: w.CaptureLog(t.ID, t.Recovery.Log), Keys: t.Keys}
		if err := s.store.MergeChanges(ctx, to, h, *e.In.IncrementalExportSpecification.ExportFromTime, w.Source.At); err != nil {
			return err
		}
		line = func(dst []byte, m item.Map) ([]byte, error) { return changeLine(dst, m, e.view()) }
	} else if err := s.recover(ctx, w, to); err != nil {
		return err
	}
	e.Items, e.Bytes = 0, 0
	err := s.store.EachItem(ctx, to, func(m item.Map) error {
		text, err := line(nil, m)
		if err != nil {
			return err
		}
		e.Items, e.Bytes = e.Items+1, e.Bytes+int64(m.Size())
		return o.add(ctx, append(text, '\n'))
	})
	if err != nil {
		return err
	}
	if err := o.flush(ctx, len(o.list) == 0); err != nil {
		return err
	}
	return o.manifests(ctx)
}

func fullLine(dst []byte, m item.Map) ([]byte, error) {
	return append(item.AppendJSON(append(dst, `{"Item":`...), m), '}'), nil
}

func changeLine(dst []byte, m item.Map, view string) ([]byte, error) {
	n, err := store.ReadNet(m)
	if err != nil {
		return nil, err
	}
	dst = append(dst, `{"Metadata":{"WriteTimestampMicros":{"N":"`...)
	dst = strconv.AppendInt(dst, n.At.UnixMicro(), 10)
	dst = item.AppendJSON(append(dst, `"}},"Keys":`...), n.Keys)
	if n.Old != nil && view == api.ExportViewTypeNewAndOldImages {
		dst = item.AppendJSON(append(dst, `,"OldImage":`...), n.Old)
	}
	if n.New != nil {
		dst = item.AppendJSON(append(dst, `,"NewImage":`...), n.New)
	}
	return append(dst, '}'), nil
}

// files are the objects of an export. Their names do not change when it is done
// again.
type files struct {
	s    *Service
	e    *Export
	call *service.Call
	buf  bytes.Buffer
	zip  *gzip.Writer
	n    int64
	list []dataFile
}

type dataFile struct {
	ItemCount     int64  `json:"itemCount"`
	MD5Checksum   string `json:"md5Checksum"`
	ETag          string `json:"etag"`
	DataFileS3Key string `json:"dataFileS3Key"`
}

func (o *files) add(ctx context.Context, line []byte) error {
	if o.zip == nil {
		o.zip = gzip.NewWriter(&o.buf)
	}
	if _, err := o.zip.Write(line); err != nil {
		return err
	}
	o.n++
	return o.flush(ctx, false, fileBytes)
}

// flush writes a data file if there are as many bytes for it, or always.
func (o *files) flush(ctx context.Context, always bool, least ...int) error {
	if len(least) > 0 && o.buf.Len() < least[0] || o.n == 0 && !always {
		return nil
	}
	if o.zip == nil {
		o.zip = gzip.NewWriter(&o.buf)
	}
	if err := o.zip.Close(); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(o.e.ID + "/" + strconv.Itoa(len(o.list))))
	name := "data/" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:16])[:26]) + ".json.gz"
	f, err := o.put(ctx, name, o.buf.Bytes(), "")
	if err != nil {
		return err
	}
	f.ItemCount = o.n
	o.list = append(o.list, f)
	o.buf.Reset()
	o.zip, o.n = nil, 0
	return nil
}

// dir is what the export's keys begin with; incremental exports share a folder
// for their data.
func (o *files) key(name string) string {
	prefix := strings.TrimSuffix(smithy.Val(o.e.In.S3Prefix), "/")
	if prefix != "" {
		prefix += "/"
	}
	if o.e.incremental() && strings.HasPrefix(name, "data/") {
		return prefix + "AWSDynamoDB/" + name
	}
	return prefix + "AWSDynamoDB/" + o.e.ID + "/" + name
}

func (o *files) put(ctx context.Context, name string, body []byte, kind string) (dataFile, error) {
	key, sum := o.key(name), md5.Sum(body)
	f := dataFile{MD5Checksum: base64.StdEncoding.EncodeToString(sum[:]), DataFileS3Key: key}
	in := &s3.PutObjectInput{
		Bucket: o.e.In.S3Bucket, Key: &key, Body: bytes.NewReader(body), ContentLength: new(int64(len(body))),
		ExpectedBucketOwner: o.e.In.S3BucketOwner, SSEKMSKeyId: o.e.In.S3SseKmsKeyId,
	}
	if kind != "" {
		in.ContentType = &kind
	}
	switch smithy.Val(o.e.In.S3SseAlgorithm) {
	case api.S3SseAlgorithmAes256:
		in.ServerSideEncryption = new(s3.ServerSideEncryptionAes256)
	case api.S3SseAlgorithmKms:
		in.ServerSideEncryption = new(s3.ServerSideEncryptionAwsKms)
	}
	out, err := service.Invoke(ctx, o.call, s3.PutObject, in)
	if err != nil {
		return f, err
	}
	f.ETag = strings.Trim(smithy.Val(out.ETag), `"`)
	return f, nil
}

// summary is manifest-summary.json.
type summary struct {
	Version       string  `json:"version"`
	ExportARN     string  `json:"exportArn"`
	Start         string  `json:"startTime"`
	End           string  `json:"endTime"`
	TableARN      string  `json:"tableArn"`
	TableID       string  `json:"tableId"`
	ExportTime    string  `json:"exportTime,omitempty"`
	ExportFrom    string  `json:"exportFromTime,omitempty"`
	ExportTo      string  `json:"exportToTime,omitempty"`
	Bucket        string  `json:"s3Bucket"`
	Prefix        *string `json:"s3Prefix"`
	SSE           string  `json:"s3SseAlgorithm"`
	SSEKey        *string `json:"s3SseKmsKeyId"`
	ManifestFiles string  `json:"manifestFilesS3Key"`
	Billed        int64   `json:"billedSizeBytes"`
	Items         int64   `json:"itemCount"`
	Format        string  `json:"outputFormat"`
	View          string  `json:"outputView,omitempty"`
	Type          string  `json:"exportType"`
}

const manifestTime = "2006-01-02T15:04:05.000Z"

// manifests writes what the export consists of, and last its summary.
func (o *files) manifests(ctx context.Context) error {
	var list []byte
	for _, f := range o.list {
		raw, err := json.Marshal(f)
		if err != nil {
			return err
		}
		list = append(append(list, raw...), '\n')
	}
	e := o.e
	sum := summary{
		Version: manifestVersion, ExportARN: e.arn(), Start: e.Start.Format(manifestTime), End: o.s.clock.Now().UTC().Format(manifestTime),
		TableARN: e.TableARN, TableID: e.TableID, Bucket: *e.In.S3Bucket, Prefix: e.In.S3Prefix, SSE: smithy.Val(e.In.S3SseAlgorithm),
		SSEKey: e.In.S3SseKmsKeyId, ManifestFiles: o.key("manifest-files.json"), Billed: e.Bytes, Items: e.Items,
		Format: api.ExportFormatDynamodbJson, Type: api.ExportTypeFullExport,
	}
	if sum.SSE == "" {
		sum.SSE = api.S3SseAlgorithmAes256
	}
	if e.incremental() {
		spec := e.In.IncrementalExportSpecification
		sum.Version, sum.Type, sum.View = "2023-08-01", api.ExportTypeIncrementalExport, e.view()
		sum.ExportFrom, sum.ExportTo = spec.ExportFromTime.UTC().Format(manifestTime), e.Time.Format(manifestTime)
	} else {
		sum.ExportTime = e.Time.Format(manifestTime)
	}
	text, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		name string
		body []byte
	}{{"manifest-files", list}, {"manifest-summary", text}} {
		f, err := o.put(ctx, m.name+".json", m.body, "application/json")
		if err != nil {
			return err
		}
		if _, err := o.put(ctx, m.name+".checksum", []byte(f.MD5Checksum), ""); err != nil {
			return err
		}
	}
	e.Manifest = o.key("manifest-summary.json")
	return nil
}

// token finds what was asked for with a client's token before, and keeps it
// otherwise. Two requests of one token that are not the same are a conflict.
type token struct {
	ID, Print string
	At        time.Time
}

// tokenLife is how long a client's token stands for its request, AWS says.
const tokenLife = 8 * time.Hour

func printOf(in any) (string, error) {
	raw, err := json.Marshal(in)
	sum := sha256.Sum256(raw)
	return fmt.Sprintf("%x", sum), err
}
