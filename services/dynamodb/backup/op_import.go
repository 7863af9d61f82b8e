package backup

import (
	"context"
	"errors"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// Import is an import as it is stored.
type Import struct {
	ID, Table, TableARN, TableID string
	Status                       string
	Start                        time.Time
	End                          time.Time `json:",omitzero"`
	In                           *api.ImportTableInput
	// Caller is who asked: what is read is read as him.
	Caller                     identity.Principal
	Bytes, Items, Made, Errors int64
	FailCode, FailCause        string `json:",omitempty"`
}

func (i *Import) arn() string { return i.TableARN + "/import/" + i.ID }

func (s *Service) importTable(ctx context.Context, c *service.Call, in *api.ImportTableInput) (*api.ImportTableOutput, error) {
	if err := checkImport(in); err != nil {
		return nil, err
	}
	t, err := s.imported(ctx, c, in.TableCreationParameters)
	if err != nil {
		return nil, err
	}
	i := &Import{
		ID: s.newID(c.Now), Table: t.Name, TableARN: t.ARNValue, TableID: t.ID, Status: api.ImportStatusInProgress,
		Start: table.Rounded(c.Now), In: in, Caller: c.Caller,
	}
	p, before := store.PlaceOf(c), ""
	errBefore := errors.New("backup: asked for before")
	begin := func(tx *kv.Tx) error {
		if err := put(tx, recordKey(p, importRecord, t.Name, i.ID), i); err != nil {
			return err
		}
		return s.later(tx, importKind, work{Place: p, Table: t.Name, ID: i.ID})
	}
	err = s.db.Update(ctx, func(tx *kv.Tx) (err error) {
		if before, err = s.once(tx, p, importRecord, smithy.Val(in.ClientToken), in, i.ID, c.Now); err != nil {
			return err
		}
		if before != "" {
			return errBefore
		}
		return s.store.Make(tx, p, t, api.ErrResourceInUseException("Table already exists: %s", t.Name), begin)
	})
	switch {
	case errors.Is(err, errConflict):
		return nil, api.ErrImportConflictException("The client token was used for another import")
	case errors.Is(err, errBefore):
		raw, err := s.db.Get(ctx, recordKey(p, importRecord, t.Name, before))
		if i, err = read[Import](raw, err, api.ErrImportNotFoundException("Import not found: %s", before)); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	return &api.ImportTableOutput{ImportTableDescription: i.describe()}, nil
}

func checkImport(in *api.ImportTableInput) error {
	csv := in.InputFormatOptions != nil && in.InputFormatOptions.Csv != nil
	switch {
	case *in.InputFormat == api.InputFormatIon:
		return words.BadParameter("moln imports DYNAMODB_JSON and CSV: InputFormat ION is not there")
	case smithy.Val(in.InputCompressionType) == api.InputCompressionTypeZstd:
		return words.BadParameter("moln imports GZIP and NONE: InputCompressionType ZSTD is not there")
	case csv && *in.InputFormat != api.InputFormatCsv:
		return words.BadParameter("InputFormatOptions.Csv can only be specified when InputFormat is CSV")
	case in.TableCreationParameters.VectorIndexes != nil:
		return words.BadParameter("moln has no vector indexes")
	}
	return nil
}

// imported makes the table of an import, which is hidden until it is full.
func (s *Service) imported(ctx context.Context, c *service.Call, p *api.TableCreationParameters) (*table.Table, error) {
	if err := words.TableName(*p.TableName, leastName); err != nil {
		return nil, err
	}
	t, err := table.New(&api.CreateTableInput{
		TableName: p.TableName, AttributeDefinitions: p.AttributeDefinitions, KeySchema: p.KeySchema, BillingMode: p.BillingMode,
		ProvisionedThroughput: p.ProvisionedThroughput, OnDemandThroughput: p.OnDemandThroughput, GlobalSecondaryIndexes: p.GlobalSecondaryIndexes,
	})
	if err != nil {
		return nil, err
	}
	if t.SSE, err = s.encrypt(ctx, c, p.SSESpecification); err != nil {
		return nil, err
	}
	t.Restored = &table.Restored{Filling: true}
	s.stamp(c, t)
	return t, nil
}

func (s *Service) describeImport(ctx context.Context, c *service.Call, in *api.DescribeImportInput) (*api.DescribeImportOutput, error) {
	missing := api.ErrImportNotFoundException("Import not found: %s", *in.ImportArn)
	name, id, ok := splitARN(c, "import", *in.ImportArn)
	if !ok {
		return nil, missing
	}
	raw, err := s.db.Get(ctx, recordKey(store.PlaceOf(c), importRecord, name, id))
	i, err := read[Import](raw, err, missing)
	if err != nil {
		return nil, err
	}
	return &api.DescribeImportOutput{ImportTableDescription: i.describe()}, nil
}

func (s *Service) listImports(ctx context.Context, c *service.Call, in *api.ListImportsInput) (*api.ListImportsOutput, error) {
	name, skip, limit, err := page(c, in.TableArn, in.NextToken, in.PageSize)
	if err != nil {
		return nil, err
	}
	out := &api.ListImportsOutput{ImportSummaryList: []api.ImportSummary{}}
	at := 0
	err = list(ctx, s.db, store.PlaceOf(c), importRecord, name, func(i *Import) (bool, error) {
		if at++; at <= skip {
			return true, nil
		}
		if len(out.ImportSummaryList) == limit {
			out.NextToken = new(tokenOf(skip + limit))
			return false, nil
		}
		d := i.describe()
		out.ImportSummaryList = append(out.ImportSummaryList, api.ImportSummary{
			ImportArn: d.ImportArn, ImportStatus: d.ImportStatus, TableArn: d.TableArn, S3BucketSource: d.S3BucketSource,
			InputFormat: d.InputFormat, StartTime: d.StartTime, EndTime: d.EndTime,
		})
		return true, nil
	})
	return out, err
}

func (i *Import) describe() *api.ImportTableDescription {
	in := i.In
	d := &api.ImportTableDescription{
		ImportArn: new(i.arn()), ImportStatus: &i.Status, TableArn: &i.TableARN, TableId: &i.TableID, ClientToken: in.ClientToken,
		S3BucketSource: in.S3BucketSource, ErrorCount: &i.Errors, InputFormat: in.InputFormat, InputFormatOptions: in.InputFormatOptions,
		InputCompressionType: in.InputCompressionType, TableCreationParameters: in.TableCreationParameters, StartTime: &i.Start,
		ProcessedSizeBytes: &i.Bytes, ProcessedItemCount: &i.Items, ImportedItemCount: &i.Made,
	}
	if d.InputCompressionType == nil {
		d.InputCompressionType = new(api.InputCompressionTypeNone)
	}
	if !i.End.IsZero() {
		d.EndTime = &i.End
	}
	if i.FailCode != "" {
		d.FailureCode, d.FailureMessage = &i.FailCode, &i.FailCause
	}
	return d
}
