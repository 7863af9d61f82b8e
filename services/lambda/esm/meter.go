package esm

import "moln.dev/moln/engine/observe"

// meters count what mappings do, by what came of it and not by mapping, so that
// they stay few.
type meters struct {
	batches *observe.CounterVec
	records *observe.CounterVec
	age     *observe.HistogramVec
	shards  *observe.GaugeVec
	lost    *observe.CounterVec
}

func newMeters(r *observe.Registry) *meters {
	return &meters{
		batches: r.Counter("moln_lambda_mapping_batches_total", "batches of event source mappings that functions were given, by what came of it", "outcome"),
		records: r.Counter("moln_lambda_mapping_records_total", "records of event source mappings, by what became of them", "fate"),
		age:     r.Histogram("moln_lambda_mapping_age_seconds", "age of a batch's oldest record when it was processed", nil),
		shards:  r.Gauge("moln_lambda_mapping_shards", "shards that are being read"),
		lost:    r.Counter("moln_lambda_mapping_undelivered_total", "records of failures that no destination took"),
	}
}

// Outcomes of a batch, and fates of records.
const (
	outcomeDone      = "done"
	outcomePartial   = "partial"
	outcomeFailed    = "failed"
	outcomeThrottled = "throttled"
	outcomeRefused   = "refused"
	fateDone         = "done"
	fateFiltered     = "filtered"
	fateGivenUp      = "given up"
)

func (m *meters) batch(outcome string)        { m.batches.With(outcome).Inc() }
func (m *meters) fate(fate string, count int) { m.records.With(fate).Add(uint64(count)) }
