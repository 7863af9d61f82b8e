package telemetry

// withRuntimeDone is the schema of the Logs API that knows platform.runtimeDone.
const withRuntimeDone = "2021-03-18"

// translate gives what a subscriber of this API gets for an event: the event
// itself, or what the Logs API had in its place.
func (d dialect) translate(e event, schema string) []event {
	if !d.logs || e.category != Platform {
		return []event{e}
	}
	switch record := e.record.(type) {
	case StartRecord:
		record.Tracing = nil
		e.record = record
	case RuntimeDoneRecord:
		if schema != withRuntimeDone {
			return nil
		}
		e.record = struct {
			RequestID string `json:"requestId"`
			Status    string `json:"status"`
		}{record.RequestID, record.Status}
	case ReportRecord:
		id := struct {
			RequestID string `json:"requestId"`
		}{record.RequestID}
		e.record = struct {
			RequestID string        `json:"requestId"`
			Metrics   ReportMetrics `json:"metrics"`
		}{record.RequestID, record.Metrics}
		return []event{{Platform, "platform.end", e.at, id}, e}
	case SubscriptionRecord:
		e.kind = "platform.logsSubscription"
	case InitStartRecord, InitDoneRecord, InitReportRecord:
		return nil
	}
	return []event{e}
}
