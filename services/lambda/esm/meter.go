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
	events  *observe.CounterVec // of mappings that ask for it
}

func newMeters(r *observe.Registry) *meters {
	return &meters{
		batches: r.Counter("moln_lambda_mapping_batches_total", "batches of event source mappings that functions were given, by what came of it", "outcome"),
		records: r.Counter("moln_lambda_mapping_records_total", "records of event source mappings, by what became of them", "fate"),
		age:     r.Histogram("moln_lambda_mapping_age_seconds", "age of a batch's oldest record when it was processed", nil),
		shards:  r.Gauge("moln_lambda_mapping_shards", "shards that are being read"),
		events:  r.Counter("moln_lambda_mapping_events_total", "events of the mappings whose MetricsConfig asks for them, by AWS's names", "mapping", "metric"),
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

// Metrics of single mappings, as CloudWatch names them.
//
// Source: monitoring-metrics-types, "Event source mapping metrics".
const (
	countPolled   = "PolledEventCount"
	countFiltered = "FilteredOutEventCount"
	countInvoked  = "InvokedEventCount"
	countFailed   = "FailedInvokeEventCount"
	countDropped  = "DroppedEventCount"
	countTold     = "OnFailureDestinationDeliveredEventCount"
	countDeleted  = "DeletedEventCount"
)

// count counts events of a mapping that asks for it.
func (p *poller) count(metric string, n int) {
	if p.m.Counted && n > 0 {
		p.meters.events.With(p.m.UUID, metric).Add(uint64(n))
	}
}
