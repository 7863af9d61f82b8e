package backup

import (
	"context"
	"encoding/json"
	"log/slog"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
)

// Encrypter finds the KMS key of a request, as its caller.
type Encrypter func(ctx context.Context, c *service.Call, spec *api.SSESpecification) (*table.Encryption, error)

// Service answers requests for backups and carries them out. Safe for concurrent
// use.
type Service struct {
	db      *kv.DB
	store   *store.Store
	clock   clock.Clock
	ids     *ident.Source
	sched   *sched.Scheduler
	log     *slog.Logger
	system  func(account, region string) *service.Call
	encrypt Encrypter
}

// Kinds of jobs.
const (
	backupKind  = "dynamodb/backup"
	restoreKind = "dynamodb/restore"
	importKind  = "dynamodb/import"
	exportKind  = "dynamodb/export"
	baseKind    = "dynamodb/base"
	forgetKind  = "dynamodb/forget"
	tendKind    = "dynamodb/tend"
)

// jobsAtOnce is how many jobs of a kind a node does at the same time.
const jobsAtOnce = 2

// New makes the service over the tables' store. Its jobs are the scheduler's from
// now on.
func New(d service.Deps, s *store.Store, encrypt Encrypter) *Service {
	b := &Service{db: d.KV, store: s, clock: d.Clock, ids: d.Ident, sched: d.Sched, log: d.Log, system: d.System, encrypt: encrypt}
	if d.Sched == nil {
		return b // a service of tables alone, which has nobody to do later what is asked
	}
	for kind, run := range map[string]func(context.Context, work) error{
		backupKind: b.runBackup, restoreKind: b.runRestore, baseKind: b.runBase, forgetKind: b.runForget,
		exportKind: b.runExport, importKind: b.runImport,
	} {
		d.Sched.Register(kind, func(ctx context.Context, r sched.Run) error {
			var w work
			if err := json.Unmarshal(r.Payload, &w); err != nil {
				return sched.Permanent(err)
			}
			return run(ctx, w)
		}, sched.Options{Concurrency: jobsAtOnce})
	}
	d.Sched.Every(tendKind, tendEvery, b.tend)
	return b
}

// work is what a job is about.
type work struct {
	store.Place
	// Table is the name that the work is kept under, ID its own.
	Table, ID string
	// Source is what a table is filled from.
	Source *source `json:",omitempty"`
}

// later has a job done, once the transaction is committed.
func (s *Service) later(tx *kv.Tx, kind string, w work) error {
	raw, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return s.sched.EnqueueTx(tx, sched.Job{Kind: kind, Key: w.Account + "/" + w.Region + "/" + w.Table + "/" + w.ID, Payload: raw})
}

// Operations are those of backups, recovery, exports and imports.
func (s *Service) Operations() []service.Operation {
	return service.Table[*Service]{
		service.Full(api.CreateBackup, (*Service).createBackup),
		service.Full(api.DescribeBackup, (*Service).describeBackup),
		service.Full(api.ListBackups, (*Service).listBackups),
		service.Full(api.DeleteBackup, (*Service).deleteBackup),
		service.Full(api.DescribeContinuousBackups, (*Service).describeContinuousBackups),
		service.Full(api.UpdateContinuousBackups, (*Service).updateContinuousBackups),
		service.Partial(api.RestoreTableToPointInTime, (*Service).restoreToPointInTime, "vector indexes are refused; a table cannot be deleted, nor its recovery turned off, until restores and exports of it are done"),
		service.Partial(api.RestoreTableFromBackup, (*Service).restoreFromBackup, "vector indexes are refused"),
		service.Partial(api.ExportTableToPointInTime, (*Service).exportTable, "ION and filters are refused; what is written to S3 is judged as who asked, when it is written"),
		service.Full(api.DescribeExport, (*Service).describeExport),
		service.Full(api.ListExports, (*Service).listExports),
		service.Partial(api.ImportTable, (*Service).importTable, "ION and ZSTD are refused; what is wrong with an item is counted, not logged; an import that fails leaves no table"),
		service.Full(api.DescribeImport, (*Service).describeImport),
		service.Full(api.ListImports, (*Service).listImports),
	}.Bind(s)
}
