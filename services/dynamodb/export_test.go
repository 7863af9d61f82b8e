package dynamodb

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/table"
)

// bucket stands for S3: objects by key.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	denied  bool
}

func (b *bench) bucket() *bucket {
	k := &bucket{objects: map[string][]byte{}}
	locked := func(fn func(in any) (any, error)) func(*service.Call, any) (any, error) {
		return func(_ *service.Call, in any) (any, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.denied {
				return nil, fault.New("AccessDenied", 403, "Access Denied")
			}
			return fn(in)
		}
	}
	b.other = map[string]func(*service.Call, any) (any, error){
		"PutObject": locked(func(in any) (any, error) {
			put := in.(*s3.PutObjectInput)
			raw, err := io.ReadAll(put.Body)
			k.objects[*put.Key] = raw
			return &s3.PutObjectOutput{ETag: new(fmt.Sprintf(`"%x"`, md5.Sum(raw)))}, err
		}),
		"GetObject": locked(func(in any) (any, error) {
			return &s3.GetObjectOutput{Body: bytes.NewReader(k.objects[*in.(*s3.GetObjectInput).Key])}, nil
		}),
		"ListObjectsV2": locked(func(in any) (any, error) { // two a page
			list, out := in.(*s3.ListObjectsV2Input), &s3.ListObjectsV2Output{IsTruncated: new(false)}
			for _, key := range slices.Sorted(maps.Keys(k.objects)) {
				if !strings.HasPrefix(key, *list.Prefix) || list.ContinuationToken != nil && key <= *list.ContinuationToken {
					continue
				}
				if len(out.Contents) == 2 {
					out.IsTruncated, out.NextContinuationToken = new(true), out.Contents[1].Key
					break
				}
				out.Contents = append(out.Contents, s3.Object{Key: &key, Size: new(int64(len(k.objects[key])))})
			}
			return out, nil
		}),
	}
	return k
}

// lines are the lines of an object, unzipped where its name says so.
func (k *bucket) lines(t *testing.T, key string) []string {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	var from io.Reader = bytes.NewReader(k.objects[key])
	if strings.HasSuffix(key, ".gz") {
		z, err := gzip.NewReader(from)
		if err != nil {
			t.Fatal(err)
		}
		from = z
	}
	raw, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(raw), func(r rune) bool { return r == '\n' })
}

// export exports a table and waits until that is over.
func (b *bench) export(in api.ExportTableToPointInTimeInput) *api.ExportDescription {
	b.t.Helper()
	in.S3Bucket, in.S3Prefix = new("bucket"), new("kept")
	d := must(b, api.ExportTableToPointInTime, &in).ExportDescription
	b.until("an export", func() bool {
		b.clk.Advance(100 * time.Millisecond)
		d = must(b, api.DescribeExport, &api.DescribeExportInput{ExportArn: d.ExportArn}).ExportDescription
		return *d.ExportStatus != api.ExportStatusInProgress
	})
	return d
}

func arnOf(name string) *string { return new("arn:aws:dynamodb:eu-north-1:123456789012:table/" + name) }

func (b *bench) importing(in api.ImportTableInput, name string) *api.ImportTableDescription {
	b.t.Helper()
	in.TableCreationParameters = &api.TableCreationParameters{
		TableName: &name, BillingMode: new(table.OnDemand),
		AttributeDefinitions: []api.AttributeDefinition{definition("id", "S"), definition("at", "N"), definition("who", "S")},
		KeySchema:            []api.KeySchemaElement{element("id", "HASH"), element("at", "RANGE")},
		GlobalSecondaryIndexes: []api.GlobalSecondaryIndex{{
			IndexName: new("by-who"), KeySchema: []api.KeySchemaElement{element("who", "HASH")}, Projection: &api.Projection{ProjectionType: new("ALL")},
		}},
	}
	d := must(b, api.ImportTable, &in).ImportTableDescription
	b.until("an import", func() bool {
		d = must(b, api.DescribeImport, &api.DescribeImportInput{ImportArn: d.ImportArn}).ImportTableDescription
		return *d.ImportStatus != api.ImportStatusInProgress
	})
	return d
}

func TestWhatIsExportedIsImported(t *testing.T) {
	b := working(t, onMemory(t))
	k := b.bucket()
	must(b, api.CreateTable, tableInput())
	b.recoverable("notes", nil)
	for i := range 900 {
		put(b, avs{"id": str(fmt.Sprint(i % 9)), "at": num(fmt.Sprint(i)), "who": str("ann"), "more": {L: []av{{B: []byte{0, 255}}, {NULL: new(true)}, {SS: []string{"a", "b"}}, {M: avs{"x": {BOOL: new(true)}}}}}})
	}
	b.clk.Advance(time.Minute)
	want := b.contents("notes", nil)
	at := b.clk.Now()
	b.clk.Advance(time.Second)
	put(b, avs{"id": str("late"), "at": num("1")})
	b.clk.Advance(time.Second)
	d := b.export(api.ExportTableToPointInTimeInput{TableArn: arnOf("notes"), ExportTime: &at})
	if *d.ExportStatus != api.ExportStatusCompleted || *d.ItemCount != 900 {
		t.Fatalf("%s %v %v", *d.ExportStatus, d.FailureCode, d.FailureMessage)
	}
	var summary struct {
		ManifestFilesS3Key string
		ItemCount          int
		OutputFormat       string
	}
	if err := json.Unmarshal([]byte(k.lines(t, *d.ExportManifest)[0]), &summary); err != nil || summary.ItemCount != 900 || summary.OutputFormat != "DYNAMODB_JSON" {
		t.Fatalf("%+v %v", summary, err)
	}
	list := k.lines(t, summary.ManifestFilesS3Key)
	var file struct{ DataFileS3Key, MD5Checksum string }
	if err := json.Unmarshal([]byte(list[0]), &file); err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	sum := md5.Sum(k.objects[file.DataFileS3Key])
	if base64.StdEncoding.EncodeToString(sum[:]) != file.MD5Checksum {
		t.Error("the checksum is another")
	}
	if n := len(k.lines(t, file.DataFileS3Key)); n != 900 {
		t.Errorf("%d lines", n)
	}
	if _, ok := k.objects[strings.Replace(*d.ExportManifest, "manifest-summary.json", "_started", 1)]; !ok {
		t.Error("no _started")
	}

	folder := file.DataFileS3Key[:strings.LastIndex(file.DataFileS3Key, "/")]
	i := b.importing(api.ImportTableInput{
		InputFormat: new("DYNAMODB_JSON"), InputCompressionType: new("GZIP"), S3BucketSource: &api.S3BucketSource{S3Bucket: new("bucket"), S3KeyPrefix: &folder},
	}, "copies")
	if *i.ImportStatus != api.ImportStatusCompleted || *i.ImportedItemCount != 900 || *i.ErrorCount != 0 {
		t.Fatalf("%s, %d, %d errors, %v", *i.ImportStatus, *i.ImportedItemCount, *i.ErrorCount, i.FailureMessage)
	}
	if diff := cmp.Diff(want, b.contents("copies", nil)); diff != "" {
		t.Error(diff)
	}
	if n := len(b.contents("copies", new("by-who"))); n != 900 {
		t.Errorf("the index has %d items", n)
	}
	must(b, api.DeleteTable, &api.DeleteTableInput{TableName: new("notes")}) // nothing holds it any more
}

func TestChangesAreExported(t *testing.T) {
	b := working(t, onMemory(t))
	k := b.bucket()
	plainTable(b, "things", 0)
	b.recoverable("things", nil)
	set := func(id, v string) {
		must(b, api.PutItem, &api.PutItemInput{TableName: new("things"), Item: avs{"id": str(id), "v": num(v)}})
	}
	set("a", "1")
	set("b", "1")
	set("c", "1")
	b.clk.Advance(time.Minute)
	from := b.clk.Now()
	b.clk.Advance(time.Minute)
	set("a", "2")
	set("a", "3")
	set("d", "1")
	must(b, api.DeleteItem, &api.DeleteItemInput{TableName: new("things"), Key: avs{"id": str("b")}})
	b.clk.Advance(20 * time.Minute)
	to := b.clk.Now()
	b.clk.Advance(time.Second)
	set("a", "4")
	set("c", "4")
	d := b.export(api.ExportTableToPointInTimeInput{
		TableArn: arnOf("things"), ExportType: new("INCREMENTAL_EXPORT"),
		IncrementalExportSpecification: &api.IncrementalExportSpecification{ExportFromTime: &from, ExportToTime: &to},
	})
	if *d.ExportStatus != api.ExportStatusCompleted {
		t.Fatalf("%s %v %v", *d.ExportStatus, *d.FailureCode, *d.FailureMessage)
	}
	var got []string
	for key := range k.objects {
		if strings.HasPrefix(key, "kept/AWSDynamoDB/data/") {
			for _, line := range k.lines(t, key) {
				_, rest, _ := strings.Cut(line, `"Keys":`)
				got = append(got, rest)
			}
		}
	}
	slices.Sort(got)
	want := []string{
		`{"id":{"S":"a"}},"OldImage":{"id":{"S":"a"},"v":{"N":"1"}},"NewImage":{"id":{"S":"a"},"v":{"N":"3"}}}`,
		`{"id":{"S":"b"}},"OldImage":{"id":{"S":"b"},"v":{"N":"1"}}}`,
		`{"id":{"S":"d"}},"NewImage":{"id":{"S":"d"},"v":{"N":"1"}}}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWrongRowsAreCounted(t *testing.T) {
	b := working(t, onMemory(t))
	k := b.bucket()
	k.objects["in/a.csv"] = []byte("id,at,who,note\nx,1,ann,hello\nx,two,ann,no number\nx,3,ann\ny,4.0,,empty index key\nz,5,bob,\"a, b\"\n")
	k.objects["in/b.csv"] = []byte("id,at,who,note\nx,9,ann,of another object\n")
	k.objects["in/c.csv"] = []byte("id,at,who,note\nx,10,ann,on another page\n")
	source := &api.S3BucketSource{S3Bucket: new("bucket"), S3KeyPrefix: new("in/")}
	i := b.importing(api.ImportTableInput{InputFormat: new("CSV"), S3BucketSource: source}, "rows")
	if *i.ProcessedItemCount != 7 || *i.ImportedItemCount != 4 || *i.ErrorCount != 3 {
		t.Errorf("%d, %d, %d errors", *i.ProcessedItemCount, *i.ImportedItemCount, *i.ErrorCount)
	}
	if got := b.contents("rows", nil)["z/5"]["note"]; *got.S != "a, b" {
		t.Errorf("%+v", got)
	}
	k.denied = true
	i = b.importing(api.ImportTableInput{InputFormat: new("CSV"), S3BucketSource: source}, "none")
	if *i.ImportStatus != api.ImportStatusFailed || *i.FailureCode != "S3AccessDenied" {
		t.Errorf("%s", *i.ImportStatus)
	}
	if err := second(call(b, api.DescribeTable, &api.DescribeTableInput{TableName: new("none")})); !fault.Is(err, "ResourceNotFoundException") {
		t.Error(err)
	}
	if got := must(b, api.ListImports, &api.ListImportsInput{}).ImportSummaryList; len(got) != 2 {
		t.Errorf("%d imports", len(got))
	}
}

// TestBackupsAreJudgedOnWhatTheyAre: each request on its ARN, and who restores
// on all that fills the table.
func TestBackupsAreJudgedOnWhatTheyAre(t *testing.T) {
	b := newBench(t)
	plain := *arnOf("things")
	for _, tt := range []struct {
		in   any
		op   string
		want []string
	}{
		{&api.CreateBackupInput{TableName: new("things")}, "CreateBackup", []string{"dynamodb:CreateBackup " + plain}},
		{&api.DescribeBackupInput{BackupArn: new(plain + "/backup/1")}, "DescribeBackup", []string{"dynamodb:DescribeBackup " + plain + "/backup/1"}},
		{&api.ListBackupsInput{}, "ListBackups", []string{"dynamodb:ListBackups *"}},
		{&api.DescribeExportInput{ExportArn: new(plain + "/export/1")}, "DescribeExport", []string{"dynamodb:DescribeExport " + plain + "/export/1"}},
		{
			&api.ImportTableInput{TableCreationParameters: &api.TableCreationParameters{TableName: new("things")}},
			"ImportTable", []string{"dynamodb:ImportTable " + plain + "/import/*"},
		},
		{&api.RestoreTableFromBackupInput{BackupArn: new(*arnOf("old") + "/backup/1"), TargetTableName: new("things")}, "RestoreTableFromBackup", []string{
			"dynamodb:RestoreTableFromBackup " + *arnOf("old") + "/backup/1", "dynamodb:RestoreTableFromBackup " + plain,
			"dynamodb:BatchWriteItem " + plain, "dynamodb:DeleteItem " + plain, "dynamodb:GetItem " + plain, "dynamodb:PutItem " + plain,
			"dynamodb:Query " + plain, "dynamodb:Scan " + plain, "dynamodb:UpdateItem " + plain,
		}},
	} {
		_, op := b.ops[tt.op].Of()
		checks, err := b.s.authorize(t.Context(), b.caller(), op, tt.in)
		var got []string
		for _, c := range checks {
			got = append(got, c.Action+" "+c.Resource)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", tt.op, err, diff)
		}
	}
}
