package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// Backup is a backup as it is stored.
type Backup struct {
	// Source is the table as it was.
	Source       *table.Table
	ID, Name     string
	Status, Type string
	Created      time.Time
	Expires      time.Time `json:",omitzero"`
	Items, Bytes int64
	// Rows says that the items lie where the table had them, which is deleted.
	Rows bool `json:",omitempty"`
	// Restores are the ids of the tables that are being made of it.
	Restores []string `json:",omitempty"`
}

// items are where the backup's items are.
func (b *Backup) items(p store.Place) store.Copy {
	if b.Rows {
		return p.RowsOf(b.Source.ID)
	}
	return p.CopyOf(b.ID)
}

func (b *Backup) arn() string { return b.Source.ARNValue + "/backup/" + b.ID }

// newID makes the id of a backup, an export or an import: the time, and chance.
func (s *Service) newID(at time.Time) string {
	return fmt.Sprintf("%014d-%s", at.UnixMilli(), s.ids.Hex(4))
}

func recordKey(p store.Place, kind, name, id string) []byte {
	return tuple.Key(p.Account, p.Region, kind, name, id)
}

// Kinds of records, as they are in keys.
const (
	backupRecord = "b"
	exportRecord = "x"
	importRecord = "m"
)

func put(tx *kv.Tx, key []byte, record any) error {
	raw, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return tx.Put(key, raw)
}

// read decodes a record; missing is the fault where there is none.
func read[R any](raw []byte, err error, missing error) (*R, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	r := new(R)
	return r, json.Unmarshal(raw, r)
}

// change stores what fn makes of a record, if there is one or its want is no
// fault.
func change[R any](ctx context.Context, db *kv.DB, key []byte, missing error, fn func(*kv.Tx, *R) error) error {
	return db.Update(ctx, func(tx *kv.Tx) error {
		raw, err := tx.Get(key)
		r, err := read[R](raw, err, missing)
		if err != nil || r == nil {
			return err
		}
		if err := fn(tx, r); err != nil {
			return err
		}
		return put(tx, key, r)
	}, key)
}

// list calls fn with records of a kind, of one table if name is not empty, in
// the order of table and id, until fn returns false.
func list[R any](ctx context.Context, db *kv.DB, p store.Place, kind, name string, fn func(*R) (bool, error)) error {
	prefix := tuple.Key(p.Account, p.Region, kind)
	if name != "" {
		prefix = tuple.AppendString(prefix, name)
	}
	return db.Each(ctx, kv.Prefix(prefix), func(it kv.Item) (bool, error) {
		r, err := read[R](it.Value, nil, nil)
		if err != nil {
			return false, err
		}
		return fn(r)
	})
}

// splitARN takes table and id out of the ARN of a backup, an export or an
// import; ok is false for what is none of here.
func splitARN(c *service.Call, kind, value string) (name, id string, ok bool) {
	a, err := arn.Parse(value)
	if err != nil || a.Service != "dynamodb" || a.Region != c.Region || a.Account != c.Account {
		return "", "", false
	}
	parts := strings.Split(a.Resource, "/")
	if len(parts) != 4 || parts[2] != kind {
		return "", "", false
	}
	// In no other spelling: policies match the ARN as it was given.
	if value != tableARN(c, parts[1])+"/"+kind+"/"+parts[3] {
		return "", "", false
	}
	return parts[1], parts[3], true
}

func tableARN(c *service.Call, name string) string {
	return arn.ARN{Partition: "aws", Service: "dynamodb", Region: c.Region, Account: c.Account, Resource: "table/" + name}.String()
}

// nameOf takes the name of a table of the caller's account, or the name out of
// its ARN.
func nameOf(c *service.Call, given string) (string, error) {
	if !strings.HasPrefix(given, "arn:") {
		return given, words.TableName(given, 0)
	}
	a, err := arn.Parse(given)
	kind, name := a.SplitResource()
	switch {
	case err != nil || kind != "table" || a.Service != "dynamodb" || a.Partition != "aws" || !strings.HasPrefix(a.Resource, "table/") || strings.Contains(name, "/"):
		return "", words.Refuse("Invalid TableArn: Invalid ResourceArn provided as input %s", given)
	case a.Account != c.Account || a.Region != c.Region:
		return "", noTable(given)
	}
	return name, nil
}

func noTable(name string) error { return api.ErrTableNotFoundException("Table not found: %s", name) }

func noBackup(arn string) error { return api.ErrBackupNotFoundException("Backup not found: %s", arn) }

// without is a list without one of its members.
func without(list []string, member string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == member })
}
