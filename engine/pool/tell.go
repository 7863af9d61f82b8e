package pool

import (
	"encoding/json"
	"math"
	"time"

	"moln.dev/moln/engine/pool/extension"
	"moln.dev/moln/engine/pool/telemetry"
)

// What telemetry says where the runtime itself said nothing.
const (
	typeExit     = "Runtime.ExitError"
	typeMemory   = "Runtime.OutOfMemory"
	typeOversize = "Function.ResponseSizeTooLarge"
	typeUnknown  = "Runtime.Unknown"
	traceType    = "X-Amzn-Trace-Id"
	phaseInit    = "init"
	onDemand     = "on-demand"
)

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond)*1000) / 1000
}

// status is an outcome as telemetry has it.
func (r *Result) status() (status, errorType string) {
	switch r.Outcome {
	case Succeeded:
		return telemetry.Success, ""
	case TimedOut, InitTimedOut:
		return telemetry.Timeout, ""
	case Exited, InitExited:
		return telemetry.Failed, typeExit
	case OutOfMemory:
		return telemetry.Failed, typeMemory
	case ResponseTooLarge:
		return telemetry.Failed, typeOversize
	}
	if r.ErrorType == "" {
		return telemetry.Failed, typeUnknown
	}
	return telemetry.Failed, r.ErrorType
}

func (e *Env) initType() string {
	if t := e.template.Identity.InitType; t != "" {
		return t
	}
	return onDemand
}

// unheard says that nobody hears of invocations' events. Logs in text have lines
// for what happens in init alone.
func (e *Env) unheard() bool {
	t := e.template
	return e.tele.Idle() && (t.Event == nil || !t.Identity.JSONLogs)
}

func tracing(inv Invocation) *telemetry.Tracing {
	if inv.TraceID == "" {
		return nil
	}
	return &telemetry.Tracing{Type: traceType, Value: inv.TraceID}
}

func (e *Env) tellInitStart() {
	id := e.template.Identity
	e.tele.Platform(telemetry.InitStart, telemetry.InitStartRecord{
		InitializationType: e.initType(), Phase: phaseInit, RuntimeVersion: id.Runtime, RuntimeVersionARN: id.RuntimeARN,
		FunctionName: id.Name, FunctionVersion: id.Version, InstanceID: id.Instance, InstanceMaxMemory: e.template.MemoryBytes,
	})
}

// tellInit tells how init went, and with it how each extension stands, and ends
// the time for subscriptions.
func (e *Env) tellInit(r *Result) {
	e.logs.drain() // what init wrote comes first
	status, errorType := r.status()
	e.tele.Platform(telemetry.InitRuntimeDone, telemetry.InitDoneRecord{
		InitializationType: e.initType(), Phase: phaseInit, Status: status, ErrorType: errorType,
	})
	for _, info := range e.exts.List() {
		e.tele.Platform(telemetry.Extension, info)
	}
	e.tele.Platform(telemetry.InitReport, telemetry.InitReportRecord{
		InitializationType: e.initType(), Phase: phaseInit, Status: status, ErrorType: errorType,
		Metrics: telemetry.InitMetrics{DurationMs: milliseconds(r.InitDuration)},
	})
	e.tele.Close()
}

// tellStart tells telemetry, and the extensions that listen, of an invocation.
func (e *Env) tellStart(inv Invocation) {
	if !e.unheard() {
		e.tele.Platform(telemetry.Start, telemetry.StartRecord{
			RequestID: inv.RequestID, Version: e.template.Identity.Version, Tracing: tracing(inv),
		})
	}
	if !e.listening {
		return
	}
	event, _ := json.Marshal(struct {
		Type      string             `json:"eventType"`
		Deadline  int64              `json:"deadlineMs"`
		RequestID string             `json:"requestId"`
		ARN       string             `json:"invokedFunctionArn"`
		Tracing   *telemetry.Tracing `json:"tracing,omitempty"`
	}{extension.Invoke, inv.Deadline.UnixMilli(), inv.RequestID, inv.FunctionARN, tracing(inv)})
	e.exts.Deliver(extension.Invoke, event)
}

// tellRuntimeDone tells that the runtime has done its part, or will not.
func (e *Env) tellRuntimeDone(inv Invocation, r Result) {
	if e.unheard() {
		return
	}
	if !e.tele.Idle() {
		e.logs.drain()
	}
	took := r.RuntimeDuration
	if took == 0 {
		took = r.Duration
	}
	status, errorType := r.status()
	e.tele.Platform(telemetry.RuntimeDone, telemetry.RuntimeDoneRecord{
		RequestID: inv.RequestID, Status: status, ErrorType: errorType, Tracing: tracing(inv), Spans: e.spans(r),
		Metrics: &telemetry.RuntimeDoneMetrics{DurationMs: milliseconds(took), ProducedBytes: r.PayloadBytes},
	})
}

// spans are the parts of a runtime's time, seen from its end.
func (e *Env) spans(r Result) []telemetry.Span {
	if r.RuntimeDuration == 0 {
		return nil
	}
	start := e.pool.cfg.Clock.Now().Add(-r.RuntimeDuration)
	answered := start.Add(r.ResponseLatency)
	return []telemetry.Span{
		{Name: "responseLatency", Start: telemetry.Stamp(start), DurationMs: milliseconds(r.ResponseLatency)},
		{Name: "responseDuration", Start: telemetry.Stamp(answered), DurationMs: 0},
		{Name: "runtimeOverhead", Start: telemetry.Stamp(answered), DurationMs: milliseconds(r.RuntimeDuration - r.ResponseLatency)},
	}
}

// tellReport tells an invocation's figures, when it is all over.
func (e *Env) tellReport(inv Invocation, r Result) {
	if e.unheard() || !e.initDone {
		return
	}
	if r.RuntimeDuration == 0 {
		e.tellRuntimeDone(inv, r)
	}
	status, errorType := r.status()
	report := telemetry.ReportRecord{
		RequestID: inv.RequestID, Status: status, ErrorType: errorType, Tracing: tracing(inv),
		Metrics: telemetry.ReportMetrics{
			DurationMs: milliseconds(r.Duration), BilledDurationMs: billedMs(r),
			MemorySizeMB: e.template.MemoryBytes >> 20, MaxMemoryUsedMB: usedMB(r, e.template.MemoryBytes),
		},
	}
	if r.Cold {
		report.Metrics.InitDurationMs = milliseconds(r.InitDuration)
	}
	if after := r.Duration - r.RuntimeDuration; e.listening && r.RuntimeDuration > 0 {
		report.Spans = []telemetry.Span{{
			Name: "extensionOverhead", Start: telemetry.Stamp(e.pool.cfg.Clock.Now().Add(-after)), DurationMs: milliseconds(after),
		}}
	}
	e.tele.Platform(telemetry.Report, report)
}

// billedMs is what is paid for: the time with init, rounded up.
func billedMs(r Result) int64 {
	return int64(math.Ceil(milliseconds(r.Duration) + milliseconds(r.InitDuration)))
}

// usedMB is at most the limit: the host counts what is not the function's.
func usedMB(r Result, limit int64) int64 {
	return (min(r.PeakMemoryBytes, limit) + 1<<20 - 1) >> 20
}
