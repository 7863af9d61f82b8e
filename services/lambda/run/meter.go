package run

import (
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/pool"
)

// meters count what functions do; by outcome and not by function, so that they
// stay few.
type meters struct {
	invocations *observe.CounterVec
	cold        *observe.CounterVec
	throttles   *observe.CounterVec
	seconds     *observe.HistogramVec
	initSeconds *observe.HistogramVec
}

// newMeters returns nil where nobody meters.
func newMeters(r *observe.Registry) *meters {
	if r == nil {
		return nil
	}
	return &meters{
		invocations: r.Counter("moln_lambda_invocations_total", "function invocations by how they ended", "outcome"),
		cold:        r.Counter("moln_lambda_cold_starts_total", "invocations that waited for a new environment"),
		throttles:   r.Counter("moln_lambda_throttles_total", "invocations refused by a limit, by reason", "reason"),
		seconds:     r.Histogram("moln_lambda_duration_seconds", "time a function had an event", nil),
		initSeconds: r.Histogram("moln_lambda_init_seconds", "time a new environment took to be ready", nil),
	}
}

func (m *meters) ended(r pool.Result) {
	if m == nil {
		return
	}
	m.invocations.With(r.Outcome.String()).Add(1)
	m.seconds.With().Observe(r.Duration.Seconds())
	if r.Cold {
		m.cold.With().Add(1)
		m.initSeconds.With().Observe(r.InitDuration.Seconds())
	}
}

func (m *meters) throttled(reason string) {
	if m != nil {
		m.throttles.With(reason).Add(1)
	}
}
