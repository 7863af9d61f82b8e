package backup

import (
	"context"
	"errors"
	"strconv"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// Limits of the time of an incremental export, AWS says.
const (
	leastIncrement = 15 * time.Minute
	mostIncrement  = 24 * time.Hour
)

func (s *Service) exportTable(ctx context.Context, c *service.Call, in *api.ExportTableToPointInTimeInput) (*api.ExportTableToPointInTimeOutput, error) {
	name, err := nameOf(c, *in.TableArn)
	if err != nil {
		return nil, err
	}
	p := store.PlaceOf(c)
	t, err := s.store.Look(ctx, p, name, noTable(name))
	if err != nil {
		return nil, err
	}
	e := &Export{
		ID: s.newID(c.Now), Table: name, TableARN: t.ARNValue, TableID: t.ID, Status: api.ExportStatusInProgress,
		Start: table.Rounded(c.Now), In: in, Caller: c.Caller,
	}
	if e.Time, err = exportTime(t.Table, in, c.Now); err != nil {
		return nil, err
	}
	w := work{Place: p, Table: name, ID: e.ID, Source: &source{Table: name, TableID: t.ID, At: e.Time}}
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		before, err := s.once(tx, p, exportRecord, smithy.Val(in.ClientToken), in, e.ID, c.Now)
		switch {
		case errors.Is(err, errConflict):
			return api.ErrExportConflictException("There was a conflict when writing to the specified S3 bucket: the client token was used for another request")
		case err != nil:
			return err
		case before != "":
			raw, err := tx.Get(recordKey(p, exportRecord, name, before))
			e, err = read[Export](raw, err, api.ErrExportNotFoundException("Export not found: %s", before))
			return err
		}
		if err := put(tx, recordKey(p, exportRecord, name, e.ID), e); err != nil {
			return err
		}
		if err := s.hold(tx, w); err != nil {
			return err
		}
		return s.later(tx, exportKind, w)
	})
	if err != nil {
		return nil, err
	}
	return &api.ExportTableToPointInTimeOutput{ExportDescription: e.describe()}, nil
}

// errConflict: a token was used for another request.
var errConflict = errors.New("backup: token of another request")

// once keeps a client's token, or gives what was asked for with it before.
func (s *Service) once(tx *kv.Tx, p store.Place, kind, given string, in any, id string, now time.Time) (before string, err error) {
	if given == "" {
		return "", nil
	}
	print, err := printOf(in)
	if err != nil {
		return "", err
	}
	key := tuple.Key(p.Account, p.Region, kind+"t", given)
	raw, err := tx.Get(key)
	t, err := read[token](raw, err, nil)
	if err != nil {
		return "", err
	}
	if t != nil && now.Sub(t.At) < tokenLife {
		if t.Print != print {
			return "", errConflict
		}
		return t.ID, nil
	}
	return "", put(tx, key, token{ID: id, Print: print, At: now})
}

// exportTime is the moment up to which a request wants a table.
func exportTime(t *table.Table, in *api.ExportTableToPointInTimeInput, now time.Time) (time.Time, error) {
	spec, incremental := in.IncrementalExportSpecification, smithy.Val(in.ExportType) == api.ExportTypeIncrementalExport
	switch {
	case t.Recovery == nil:
		return now, notRecoverable(t.Name)
	case smithy.Val(in.ExportFormat) == api.ExportFormatIon:
		return now, words.BadParameter("moln exports DYNAMODB_JSON only: ExportFormat ION is not there")
	case in.FilterSpecification != nil:
		return now, words.BadParameter("moln exports whole tables: FilterSpecification is not there")
	case incremental && in.ExportTime != nil:
		return now, words.BadParameter("ExportTime cannot be specified for INCREMENTAL_EXPORT")
	case !incremental && spec != nil:
		return now, words.BadParameter("IncrementalExportSpecification can only be specified for INCREMENTAL_EXPORT")
	case incremental && (spec == nil || spec.ExportFromTime == nil || spec.ExportToTime == nil):
		return now, words.BadParameter("IncrementalExportSpecification must have ExportFromTime and ExportToTime for INCREMENTAL_EXPORT")
	}
	at, earliest := now, t.Recovery.Earliest(now)
	if in.ExportTime != nil {
		at = *in.ExportTime
	}
	if incremental {
		at = *spec.ExportToTime
		if spec.ExportFromTime.Before(earliest) {
			return at, outsideWindow()
		}
		if d := at.Sub(*spec.ExportFromTime); d < leastIncrement || d > mostIncrement {
			return at, words.BadParameter("The export period must be between 15 minutes and 24 hours")
		}
	}
	given := incremental || in.ExportTime != nil
	at = at.Truncate(time.Millisecond).UTC()
	if given && (at.Before(earliest) || at.After(now)) {
		return at, outsideWindow()
	}
	return at, nil
}

func outsideWindow() error {
	return api.ErrInvalidExportTimeException("The specified ExportTime is outside of the point in time recovery window.")
}

func (s *Service) describeExport(ctx context.Context, c *service.Call, in *api.DescribeExportInput) (*api.DescribeExportOutput, error) {
	missing := api.ErrExportNotFoundException("Export not found: %s", *in.ExportArn)
	name, id, ok := splitARN(c, "export", *in.ExportArn)
	if !ok {
		return nil, missing
	}
	raw, err := s.db.Get(ctx, recordKey(store.PlaceOf(c), exportRecord, name, id))
	e, err := read[Export](raw, err, missing)
	if err != nil {
		return nil, err
	}
	return &api.DescribeExportOutput{ExportDescription: e.describe()}, nil
}

// exportPage is how many exports, or imports, are listed unless fewer are asked
// for.
const exportPage = 25

func (s *Service) listExports(ctx context.Context, c *service.Call, in *api.ListExportsInput) (*api.ListExportsOutput, error) {
	name, skip, limit, err := page(c, in.TableArn, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &api.ListExportsOutput{ExportSummaries: []api.ExportSummary{}}
	at := 0
	err = list(ctx, s.db, store.PlaceOf(c), exportRecord, name, func(e *Export) (bool, error) {
		if at++; at <= skip {
			return true, nil
		}
		if len(out.ExportSummaries) == limit {
			out.NextToken = new(tokenOf(skip + limit))
			return false, nil
		}
		d := e.describe()
		out.ExportSummaries = append(out.ExportSummaries, api.ExportSummary{ExportArn: d.ExportArn, ExportStatus: d.ExportStatus, ExportType: d.ExportType})
		return true, nil
	})
	return out, err
}

// tokenBytes is how long a token of a list is: the model wants it long.
const tokenBytes = 112

// tokenOf is a place in a list, in the form that the model wants.
func tokenOf(n int) string {
	text := strconv.FormatInt(int64(n), 16)
	for len(text) < tokenBytes {
		text = "0" + text
	}
	return text
}

func page(c *service.Call, tableARN, next *string, most *int32) (name string, skip, limit int, err error) {
	if limit = exportPage; most != nil {
		limit = int(*most)
	}
	if tableARN != nil {
		if name, err = nameOf(c, *tableARN); err != nil {
			return name, 0, 0, err
		}
	}
	if next != nil {
		n, err := strconv.ParseUint(*next, 16, 31)
		if err != nil {
			return name, 0, 0, words.Refuse("Invalid NextToken")
		}
		skip = int(n)
	}
	return name, skip, limit, nil
}

func (e *Export) describe() *api.ExportDescription {
	in := e.In
	d := &api.ExportDescription{
		ExportArn: new(e.arn()), ExportStatus: &e.Status, StartTime: &e.Start, TableArn: &e.TableARN, TableId: &e.TableID,
		ClientToken: in.ClientToken, S3Bucket: in.S3Bucket, S3BucketOwner: in.S3BucketOwner, S3Prefix: in.S3Prefix,
		S3SseAlgorithm: in.S3SseAlgorithm, S3SseKmsKeyId: in.S3SseKmsKeyId, ExportFormat: new(api.ExportFormatDynamodbJson),
		ExportType: new(api.ExportTypeFullExport), IncrementalExportSpecification: in.IncrementalExportSpecification,
	}
	if d.S3SseAlgorithm == nil {
		d.S3SseAlgorithm = new(api.S3SseAlgorithmAes256)
	}
	if e.incremental() {
		d.ExportType = in.ExportType
	} else {
		d.ExportTime = &e.Time
	}
	switch e.Status {
	case api.ExportStatusCompleted:
		d.EndTime, d.ExportManifest, d.ItemCount, d.BilledSizeBytes = &e.End, &e.Manifest, &e.Items, &e.Bytes
	case api.ExportStatusFailed:
		d.EndTime, d.FailureCode, d.FailureMessage = &e.End, &e.FailCode, &e.FailCause
	}
	return d
}
