package table

import (
	"time"

	api "moln.dev/moln/api/dynamodb"
)

// Restored is where a table that was restored, or imported, comes from.
type Restored struct {
	Backup string `json:",omitempty"` // ARN
	Table  string `json:",omitempty"` // ARN
	// At is the moment that the table was restored to.
	At time.Time `json:",omitzero"`
	// Filling is whether the table is still being filled: it is CREATING, and
	// nobody can reach its items.
	Filling bool `json:",omitempty"`
}

// Hidden reports whether the table's items cannot be reached yet.
func (t *Table) Hidden() bool { return t.Restored != nil && t.Restored.Filling }

func (t *Table) describeRestored(out *api.TableDescription) {
	r := t.Restored
	if r == nil || r.Table == "" {
		return
	}
	out.RestoreSummary = &api.RestoreSummary{RestoreDateTime: &r.At, RestoreInProgress: &r.Filling, SourceTableArn: &r.Table}
	if r.Backup != "" {
		out.RestoreSummary.SourceBackupArn = &r.Backup
	}
}

// Recovery lets a table be restored to any second of the last days.
type Recovery struct {
	Days int
	// Since is when it was turned on.
	Since time.Time
	// Log is the capture that holds the changes.
	Log string
	// Base is the copy that changes are applied to, nil where the first is still
	// made; Next is the one that will replace it.
	Base, Next *Base `json:",omitempty"`
	// Readers are the restores and exports under way, for which all stays.
	Readers []string `json:",omitempty"`
}

// Base is a copy of the items that was made while they were written to.
type Base struct {
	ID string
	// From are the numbers, by lane of the log, that no later change is below.
	From    []uint64
	Started time.Time
	Ended   time.Time `json:",omitzero"`
}

// Earliest is the first moment that the table can be restored to.
func (r *Recovery) Earliest(now time.Time) time.Time {
	first := r.Since.Truncate(time.Second)
	if first.Before(r.Since) {
		first = first.Add(time.Second)
	}
	if window := now.AddDate(0, 0, -r.Days).Truncate(time.Second); window.After(first) {
		return window
	}
	return first
}

// Settling is how long after a change nothing before it can still come: the
// last moments are not restored to.
const Settling = 5 * time.Second

// Latest is the last moment that the table can be restored to.
func (r *Recovery) Latest(now time.Time) time.Time { return now.Add(-Settling).Truncate(time.Second) }
