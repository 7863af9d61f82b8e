package run

import (
	"fmt"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/pool/extension"
	"moln.dev/moln/engine/pool/telemetry"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/logship"
)

// levels order the system log's levels.
var levels = map[string]int{api.SystemLogLevelDebug: 0, api.SystemLogLevelInfo: 1, api.SystemLogLevelWarn: 2}

// levelOf is the level at which an event of the platform is logged in JSON, as
// AWS's table of system log events has it.
func levelOf(kind string, record any) string {
	switch r := record.(type) {
	case telemetry.InitStartRecord:
		if r.RuntimeVersion == "" {
			return api.SystemLogLevelDebug
		}
	case telemetry.InitDoneRecord:
		return worse(r.Status, api.SystemLogLevelDebug)
	case telemetry.InitReportRecord:
		if r.InitializationType == onDemand {
			return worse(r.Status, api.SystemLogLevelDebug)
		}
		return worse(r.Status, api.SystemLogLevelInfo)
	case telemetry.RuntimeDoneRecord:
		return worse(r.Status, api.SystemLogLevelDebug)
	case extension.Info:
		if r.ErrorType != "" {
			return api.SystemLogLevelWarn
		}
	}
	if kind == telemetry.LogsDropped {
		return api.SystemLogLevelWarn
	}
	return api.SystemLogLevelInfo
}

func worse(status, level string) string {
	if status != telemetry.Success {
		return api.SystemLogLevelWarn
	}
	return level
}

const onDemand = "on-demand"

// hear is how an environment's log hears of the platform's events. An
// invocation's start and report are not among them: they go with its answer.
func (e *Engine) hear(v *fn.Config, st *logship.Stream) func(kind string, record any) {
	return func(kind string, record any) {
		if kind == telemetry.Start || kind == telemetry.Report {
			return
		}
		now := e.deps.Clock.Now()
		if line := systemLine(v, kind, record); line != "" {
			if v.LogFormat == api.LogFormatJson {
				line = platformRecord(now, kind, record)
			}
			st.Add(now, line)
		}
	}
}

// systemLine is an event's line in the text format. In JSON only whether there is
// one matters.
func systemLine(v *fn.Config, kind string, record any) string {
	if v.LogFormat == api.LogFormatJson {
		if levels[levelOf(kind, record)] < levels[v.SystemLevel] {
			return ""
		}
		return kind
	}
	switch r := record.(type) {
	case telemetry.InitStartRecord:
		return "INIT_START Runtime Version: " + r.RuntimeVersion
	case telemetry.InitReportRecord:
		return initReport(r)
	case telemetry.SubscriptionRecord:
		return fmt.Sprintf("TELEMETRY\tName: %s\tState: %s\tTypes: [%s]", r.Name, r.State, strings.Join(titles(r.Types), ", "))
	case extension.Info:
		line := fmt.Sprintf("EXTENSION\tName: %s\tState: %s\tEvents: [%s]", r.Name, r.State, strings.Join(r.Events, ", "))
		if r.ErrorType != "" {
			line += "\tError Type: " + r.ErrorType
		}
		return line
	}
	return ""
}

// initReport is the line of an init that went wrong; of others the invocation's
// report tells.
func initReport(r telemetry.InitReportRecord) string {
	if r.Status == telemetry.Success {
		return ""
	}
	line := fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s", r.Metrics.DurationMs, r.Phase, r.Status)
	if r.ErrorType != "" {
		line += "\tError Type: " + r.ErrorType
	}
	return line
}

// titles begin names with a capital letter.
func titles(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = strings.ToUpper(name[:1]) + name[1:]
	}
	return out
}
