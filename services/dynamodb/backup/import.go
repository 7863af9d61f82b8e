package backup

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
)

const (
	// lineBytes is how long a line with an item may be.
	lineBytes = 8 << 20
	// putItems and putBytes are how much is stored at once.
	putItems = 500
	putBytes = 4 << 20
)

// runImport fills a table with what lies in S3. After a crash it begins anew:
// what it wrote is written again.
func (s *Service) runImport(ctx context.Context, w work) error {
	key := recordKey(w.Place, importRecord, w.Table, w.ID)
	raw, err := s.db.Get(ctx, key)
	i, err := read[Import](raw, err, nil)
	if err != nil || i == nil || i.Status != api.ImportStatusInProgress {
		return err
	}
	w.ID = i.TableID
	t, err := s.filling(ctx, w)
	if err != nil {
		return err
	}
	if t != nil {
		err := s.readObjects(ctx, t, i)
		if ctx.Err() != nil {
			return ctx.Err() // what could not be read then says nothing
		}
		if f := fault.As(err); f != nil && f.Status < http.StatusInternalServerError {
			return s.failImport(ctx, w, key, i, f)
		}
		if err == nil {
			err = s.store.FillAll(ctx, t)
		}
		if err != nil {
			return err
		}
	}
	i.Status, i.End = api.ImportStatusCompleted, table.Rounded(s.clock.Now())
	if t == nil {
		return s.db.Update(ctx, func(tx *kv.Tx) error { return put(tx, key, i) }, key)
	}
	_, err = s.store.ChangeWith(ctx, w.Place, w.Table, noTable(w.Table), func(tx *kv.Tx, m *table.Table) error {
		m.Restored = nil
		return put(tx, key, i)
	})
	return err
}

func (s *Service) failImport(ctx context.Context, w work, key []byte, i *Import, f *fault.Fault) error {
	i.Status, i.FailCode, i.FailCause, i.End = api.ImportStatusFailed, failure(f), f.Message, table.Rounded(s.clock.Now())
	_, err := s.store.DeleteTable(ctx, w.Place, w.Table, noTable(w.Table), func(tx *kv.Tx, _ *table.Table) (bool, error) {
		return false, put(tx, key, i)
	})
	return err
}

func (s *Service) readObjects(ctx context.Context, t *store.Table, i *Import) error {
	c, from := s.system(t.Account, t.Region).As(i.Caller), i.In.S3BucketSource
	in := &s3.ListObjectsV2Input{Bucket: from.S3Bucket, Prefix: from.S3KeyPrefix, ExpectedBucketOwner: from.S3BucketOwner}
	r := &reader{store: s.store, t: t, i: i}
	i.Bytes, i.Items, i.Made, i.Errors = 0, 0, 0, 0
	found := false
	for {
		out, err := service.Invoke(ctx, c, s3.ListObjectsV2, in)
		if err != nil {
			return err
		}
		for _, o := range out.Contents {
			if smithy.Val(o.Size) == 0 {
				continue
			}
			found = true
			if err := r.object(ctx, c, &s3.GetObjectInput{Bucket: from.S3Bucket, Key: o.Key, ExpectedBucketOwner: from.S3BucketOwner}); err != nil {
				return err
			}
			i.Bytes += *o.Size
		}
		if in.ContinuationToken = out.NextContinuationToken; !smithy.Val(out.IsTruncated) {
			break
		}
	}
	if !found {
		return fault.New("S3NoSuchKey", http.StatusBadRequest, "There are no objects with the specified prefix")
	}
	return r.flush(ctx)
}

// reader takes items out of objects and stores them.
type reader struct {
	store *store.Store
	t     *store.Table
	i     *Import
	items []item.Map
	bytes int
}

// badInput is the failure of an import whose input is not what it should be.
func badInput(err error) error {
	return fault.New("ItemValidationError", http.StatusBadRequest, "The input cannot be read: %s", err.Error())
}

func (r *reader) object(ctx context.Context, c *service.Call, in *s3.GetObjectInput) error {
	out, err := service.Invoke(ctx, c, s3.GetObject, in)
	if err != nil {
		return err
	}
	if closer, ok := out.Body.(io.Closer); ok {
		defer closer.Close()
	}
	body := out.Body
	if smithy.Val(r.i.In.InputCompressionType) == api.InputCompressionTypeGzip {
		z, err := gzip.NewReader(body)
		if err != nil {
			return badInput(err)
		}
		body = z
	}
	if *r.i.In.InputFormat == api.InputFormatCsv {
		return r.csv(ctx, body)
	}
	return r.json(ctx, body)
}

func (r *reader) json(ctx context.Context, body io.Reader) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, lineBytes)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		m, err := readLine(lines.Bytes())
		if err := r.add(ctx, m, err); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return badInput(err)
	}
	return nil
}

// errNoItem is a line that holds no item.
var errNoItem = errors.New("backup: line without an item")

// readLine reads an item as exports write it.
func readLine(line []byte) (item.Map, error) {
	var v struct{ Item map[string]api.AttributeValue }
	if err := json.Unmarshal(line, &v); err != nil {
		return nil, err
	}
	if v.Item == nil {
		return nil, errNoItem
	}
	return item.FromWire(v.Item)
}

func (r *reader) csv(ctx context.Context, body io.Reader) error {
	records := csv.NewReader(body)
	var header []string
	if o := r.i.In.InputFormatOptions; o != nil && o.Csv != nil {
		header = o.Csv.HeaderList
		if d := smithy.Val(o.Csv.Delimiter); d != "" {
			records.Comma = rune(d[0])
		}
	}
	records.FieldsPerRecord = -1
	for {
		fields, err := records.Read()
		if err == io.EOF {
			return nil
		}
		var bad *csv.ParseError
		switch {
		case errors.As(err, &bad):
			if err := r.add(ctx, nil, err); err != nil {
				return err
			}
			continue
		case err != nil:
			return badInput(err)
		case header == nil:
			header = fields
			continue
		}
		m, err := row(r.t.Definitions, header, fields)
		if err := r.add(ctx, m, err); err != nil {
			return err
		}
	}
}

// errFields is a row that is not as long as the header.
var errFields = errors.New("backup: row of another length than its header")

// row makes an item of a row: strings all, but for attributes that are defined.
func row(defined []expr.KeyAttribute, header, fields []string) (item.Map, error) {
	if len(fields) != len(header) {
		return nil, errFields
	}
	var m item.Map
	for i, name := range header {
		v := item.Value{Kind: item.String, Text: fields[i]}
		for _, d := range defined {
			if d.Name != name {
				continue
			}
			var err error
			switch v.Kind = d.Kind; d.Kind {
			case item.Number:
				v.Text, err = item.Canonical(fields[i])
			case item.Binary:
				var raw []byte
				raw, err = base64.StdEncoding.DecodeString(fields[i])
				v.Text = string(raw)
			}
			if err != nil {
				return nil, err
			}
		}
		m = m.Set(name, v)
	}
	return m, nil
}

// add counts an item and keeps it to be stored, if nothing is wrong with it.
func (r *reader) add(ctx context.Context, m item.Map, err error) error {
	r.i.Items++
	if err == nil {
		err = r.check(m)
	}
	if err != nil {
		r.i.Errors++
		return nil
	}
	r.i.Made++
	r.items, r.bytes = append(r.items, m), r.bytes+m.Size()
	if len(r.items) < putItems && r.bytes < putBytes {
		return nil
	}
	return r.flush(ctx)
}

func (r *reader) check(m item.Map) error {
	if _, err := r.t.KeyOf(m); err != nil {
		return err
	}
	if err := r.t.CheckItem(m); err != nil {
		return err
	}
	return table.CheckSize(m.Size(), false)
}

func (r *reader) flush(ctx context.Context) error {
	if len(r.items) == 0 {
		return nil
	}
	err := r.store.PutRows(ctx, r.t, r.items)
	r.items, r.bytes = nil, 0
	return err
}
