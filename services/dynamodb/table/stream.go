package table

import (
	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/dynamodb/words"
)

// Stream is what records a table's changes.
type Stream struct {
	// View is what records hold: a StreamViewType.
	View string
	// ID names the stream's keys and Label is the time in its ARN. Package
	// store gives both to a stream that is new.
	ID, Label string
	// Shards is how many shards take records at the same time.
	Shards int
}

const (
	// shardUnits is how many write units a second a partition takes, AWS says;
	// a stream has a shard for each partition.
	shardUnits = 1000
	maxShards  = 4
)

// newStream reads a request for a stream of a new table; nil is none.
func newStream(spec *api.StreamSpecification) (*Stream, error) {
	if spec == nil {
		return nil, nil
	}
	view := smithy.Val(spec.StreamViewType)
	switch {
	case smithy.Val(spec.StreamEnabled) && view == "":
		return nil, words.BadParameter("Table is being created with a stream enabled, UpdateViewType is required")
	case smithy.Val(spec.StreamEnabled):
		return &Stream{View: view}, nil
	case view != "":
		return nil, words.BadParameter("Table is being created with a stream disabled, UpdateViewType should not be specified")
	}
	return nil, nil
}

// updateStream carries out what UpdateTable says of the stream. A stream cannot
// be changed, only ended and begun anew.
func (t *Table) updateStream(in *api.UpdateTableInput) error {
	spec := in.StreamSpecification
	if spec == nil {
		return nil
	}
	if err := checkAlone(in); err != nil {
		return err
	}
	view := smithy.Val(spec.StreamViewType)
	if !smithy.Val(spec.StreamEnabled) {
		switch {
		case view != "":
			return words.BadParameter("If stream is being disabled, then UpdateViewType must not be specified")
		case t.Stream == nil:
			return words.Refuse("Table has no stream to disable: TableName: %s", t.Name)
		}
		t.Stream = nil
		return nil
	}
	switch {
	case view == "":
		return words.BadParameter("If stream is being enabled then UpdateViewType is required")
	case t.Stream != nil:
		return words.Refuse("Table already has an enabled stream: TableName: %s", t.Name)
	}
	t.Stream = &Stream{View: view, Shards: t.streamShards()}
	return nil
}

// checkAlone refuses what UpdateTable does not do together with a stream.
func checkAlone(in *api.UpdateTableInput) error {
	switch {
	case in.TableClass != nil:
		return words.BadParameter("TableClass modification must be the only operation in the request")
	case in.DeletionProtectionEnabled != nil:
		return words.BadParameter("DeletionProtection modification must be the only operation in the request")
	case in.ProvisionedThroughput != nil || smithy.Val(in.BillingMode) == Provisioned:
		return words.BadParameter("You cannot modify stream status while updating table IOPS")
	}
	for _, u := range in.GlobalSecondaryIndexUpdates {
		if u.Create != nil || u.Delete != nil {
			return words.BadParameter("You cannot create or delete index while changing stream status")
		}
	}
	return nil
}

// streamShards is how many shards a new stream has.
func (t *Table) streamShards() int {
	return int(min(max(1, (t.Throughput.Write+shardUnits-1)/shardUnits), maxShards))
}

// StreamARN is the ARN of a stream of the table.
func (t *Table) StreamARN(label string) string { return t.ARNValue + "/stream/" + label }

func (t *Table) describeStream(out *api.TableDescription) {
	if t.LastStream != "" {
		out.LatestStreamLabel, out.LatestStreamArn = &t.LastStream, new(t.StreamARN(t.LastStream))
	}
	if t.Stream != nil {
		out.StreamSpecification = &api.StreamSpecification{StreamEnabled: new(true), StreamViewType: &t.Stream.View}
	}
}
