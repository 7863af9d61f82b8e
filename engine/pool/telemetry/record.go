package telemetry

import "time"

// Kinds of platform events.
const (
	InitStart       = "platform.initStart"
	InitRuntimeDone = "platform.initRuntimeDone"
	InitReport      = "platform.initReport"
	Start           = "platform.start"
	RuntimeDone     = "platform.runtimeDone"
	Report          = "platform.report"
	Extension       = "platform.extension"
	Subscription    = "platform.telemetrySubscription"
	LogsDropped     = "platform.logsDropped"
)

// Categories of events, as subscriptions name them.
const (
	Platform = "platform"
	Function = "function"
	Extended = "extension"
)

// Status of a phase.
const (
	Success = "success"
	Failed  = "error"
	Timeout = "timeout"
	Failure = "failure"
)

// Tracing is the X-Ray context of an event.
type Tracing struct {
	SpanID string `json:"spanId,omitempty"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

// Span is a part of an event's time.
type Span struct {
	Name       string  `json:"name"`
	Start      string  `json:"start"`
	DurationMs float64 `json:"durationMs"`
}

// InitStartRecord is platform.initStart's.
type InitStartRecord struct {
	InitializationType string `json:"initializationType"`
	Phase              string `json:"phase"`
	RuntimeVersion     string `json:"runtimeVersion,omitempty"`
	RuntimeVersionARN  string `json:"runtimeVersionArn,omitempty"`
	FunctionName       string `json:"functionName"`
	FunctionVersion    string `json:"functionVersion"`
	InstanceID         string `json:"instanceId,omitempty"`
	InstanceMaxMemory  int64  `json:"instanceMaxMemory,omitempty"`
}

// InitDoneRecord is platform.initRuntimeDone's.
type InitDoneRecord struct {
	InitializationType string `json:"initializationType"`
	Phase              string `json:"phase"`
	Status             string `json:"status"`
	ErrorType          string `json:"errorType,omitempty"`
}

// InitReportRecord is platform.initReport's.
type InitReportRecord struct {
	InitializationType string      `json:"initializationType"`
	Phase              string      `json:"phase"`
	Status             string      `json:"status"`
	ErrorType          string      `json:"errorType,omitempty"`
	Metrics            InitMetrics `json:"metrics"`
}

// InitMetrics are platform.initReport's figures.
type InitMetrics struct {
	DurationMs float64 `json:"durationMs"`
}

// StartRecord is platform.start's.
type StartRecord struct {
	RequestID string   `json:"requestId"`
	Version   string   `json:"version,omitempty"`
	Tracing   *Tracing `json:"tracing,omitempty"`
}

// RuntimeDoneRecord is platform.runtimeDone's.
type RuntimeDoneRecord struct {
	RequestID string              `json:"requestId"`
	Status    string              `json:"status"`
	ErrorType string              `json:"errorType,omitempty"`
	Tracing   *Tracing            `json:"tracing,omitempty"`
	Spans     []Span              `json:"spans,omitempty"`
	Metrics   *RuntimeDoneMetrics `json:"metrics,omitempty"`
}

// RuntimeDoneMetrics are platform.runtimeDone's figures.
type RuntimeDoneMetrics struct {
	DurationMs    float64 `json:"durationMs"`
	ProducedBytes int64   `json:"producedBytes"`
}

// ReportRecord is platform.report's.
type ReportRecord struct {
	RequestID string        `json:"requestId"`
	Status    string        `json:"status"`
	ErrorType string        `json:"errorType,omitempty"`
	Metrics   ReportMetrics `json:"metrics"`
	Tracing   *Tracing      `json:"tracing,omitempty"`
	Spans     []Span        `json:"spans,omitempty"`
}

// ReportMetrics are platform.report's figures.
type ReportMetrics struct {
	DurationMs       float64 `json:"durationMs"`
	BilledDurationMs int64   `json:"billedDurationMs"`
	MemorySizeMB     int64   `json:"memorySizeMB"`
	MaxMemoryUsedMB  int64   `json:"maxMemoryUsedMB"`
	InitDurationMs   float64 `json:"initDurationMs,omitempty"`
}

// SubscriptionRecord is platform.telemetrySubscription's.
type SubscriptionRecord struct {
	Name  string   `json:"name"`
	State string   `json:"state"`
	Types []string `json:"types"`
}

// DroppedRecord is platform.logsDropped's.
type DroppedRecord struct {
	Reason         string `json:"reason"`
	DroppedRecords int    `json:"droppedRecords"`
	DroppedBytes   int    `json:"droppedBytes"`
}

const timeLayout = "2006-01-02T15:04:05.000Z"

// Stamp writes a time as these APIs do.
func Stamp(t time.Time) string { return t.UTC().Format(timeLayout) }
