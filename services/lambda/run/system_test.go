package run

import (
	"testing"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/pool/extension"
	"moln.dev/moln/engine/pool/telemetry"
	"moln.dev/moln/services/lambda/fn"
)

func TestSystemEvents(t *testing.T) {
	text := &fn.Config{LogFormat: api.LogFormatText}
	done := telemetry.InitReportRecord{InitializationType: onDemand, Phase: "init", Status: telemetry.Success}
	late := done
	late.Status, late.Metrics.DurationMs = telemetry.Timeout, 10008.28
	crashed := late
	crashed.Status, crashed.ErrorType = telemetry.Failed, "Extension.Crash"
	good := extension.Info{Name: "x", State: extension.Ready, Events: []string{"INVOKE", "SHUTDOWN"}}
	bad := extension.Info{Name: "x", State: extension.LaunchFailed, ErrorType: "PermissionDenied"}
	subscribed := telemetry.SubscriptionRecord{Name: "x", State: "Subscribed", Types: []string{"platform", "function"}}
	for _, tc := range []struct {
		kind   string
		record any
		text   string
		level  string // the least severe at which it is logged in JSON
	}{
		{telemetry.InitStart, telemetry.InitStartRecord{RuntimeVersion: "nodejs20.x"}, "INIT_START Runtime Version: nodejs20.x", api.SystemLogLevelInfo},
		{telemetry.InitRuntimeDone, telemetry.InitDoneRecord{Status: telemetry.Success}, "", api.SystemLogLevelDebug},
		{telemetry.InitRuntimeDone, telemetry.InitDoneRecord{Status: telemetry.Failed}, "", api.SystemLogLevelWarn},
		{telemetry.InitReport, done, "", api.SystemLogLevelDebug},
		{telemetry.InitReport, late, "INIT_REPORT Init Duration: 10008.28 ms\tPhase: init\tStatus: timeout", api.SystemLogLevelWarn},
		{telemetry.InitReport, crashed, "INIT_REPORT Init Duration: 10008.28 ms\tPhase: init\tStatus: error\tError Type: Extension.Crash", api.SystemLogLevelWarn},
		{telemetry.RuntimeDone, telemetry.RuntimeDoneRecord{Status: telemetry.Success}, "", api.SystemLogLevelDebug},
		{telemetry.Extension, good, "EXTENSION\tName: x\tState: Ready\tEvents: [INVOKE, SHUTDOWN]", api.SystemLogLevelInfo},
		{telemetry.Extension, bad, "EXTENSION\tName: x\tState: LaunchError\tEvents: []\tError Type: PermissionDenied", api.SystemLogLevelWarn},
		{telemetry.Subscription, subscribed, "TELEMETRY\tName: x\tState: Subscribed\tTypes: [Platform, Function]", api.SystemLogLevelInfo},
		{telemetry.LogsDropped, telemetry.DroppedRecord{}, "", api.SystemLogLevelWarn},
	} {
		if got := systemLine(text, tc.kind, tc.record); got != tc.text {
			t.Errorf("%s: %q", tc.kind, got)
		}
		for level, rank := range levels {
			js := &fn.Config{LogFormat: api.LogFormatJson, SystemLevel: level}
			if got := systemLine(js, tc.kind, tc.record) != ""; got != (rank <= levels[tc.level]) {
				t.Errorf("%s %+v at level %s: %v", tc.kind, tc.record, level, got)
			}
		}
	}
}
