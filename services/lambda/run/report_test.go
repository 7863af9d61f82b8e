package run

import (
	"encoding/base64"
	"strings"
	"syscall"
	"testing"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/pool"
	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/services/lambda/fn"
)

func TestJudge(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	g := &fn.Config{Runtime: "nodejs20.x", TimeoutS: 3}
	own := &fn.Config{Runtime: "provided.al2023", TimeoutS: 3}
	for name, c := range map[string]struct {
		r             pool.Result
		g             *fn.Config
		payload, line string
	}{
		"fine":    {pool.Result{Payload: []byte("1")}, g, "1", ""},
		"failed":  {pool.Result{Outcome: pool.Failed, Payload: []byte(`{"errorType":"E"}`)}, g, `{"errorType":"E"}`, ""},
		"timeout": {pool.Result{Outcome: pool.TimedOut}, g, `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 3.00 seconds"}`, "2026-11-23T10:00:00.000Z ID Task timed out after 3.00 seconds\n"},
		"exit 0":  {pool.Result{Outcome: pool.Exited}, g, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited without providing a reason"}`, "RequestId: ID Error: Runtime exited without providing a reason\nRuntime.ExitError"},
		"exit 1":  {pool.Result{Outcome: pool.InitExited, Exit: sandbox.ExitState{Status: 1}}, g, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 1"}`, "RequestId: ID Error: Runtime exited with error: exit status 1\nRuntime.ExitError"},
		"signal":  {pool.Result{Outcome: pool.Exited, Exit: sandbox.ExitState{Signal: syscall.SIGSEGV}}, g, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: signal: segmentation fault"}`, "RequestId: ID Error: Runtime exited with error: signal: segmentation fault\nRuntime.ExitError"},
		"memory":  {pool.Result{Outcome: pool.OutOfMemory}, g, `{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: ID Error: Runtime exited with error: signal: killed"}`, "RequestId: ID Error: Runtime exited with error: signal: killed\nRuntime.OutOfMemory"},
		"no boot": {pool.Result{Outcome: pool.InitExited, Exit: sandbox.ExitState{Status: 127}}, own, `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: ID Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"}`, "RequestId: ID Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]\nRuntime.InvalidEntrypoint"},
		"denied":  {pool.Result{Outcome: pool.InitExited, Exit: sandbox.ExitState{Status: 126}}, own, `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: ID Error: fork/exec /var/task/bootstrap: permission denied"}`, "RequestId: ID Error: fork/exec /var/task/bootstrap: permission denied\nRuntime.InvalidEntrypoint"},
		"layer's": {pool.Result{Outcome: pool.InitExited, Exit: sandbox.ExitState{Status: 125}}, own, `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: ID Error: fork/exec /opt/bootstrap: permission denied"}`, "RequestId: ID Error: fork/exec /opt/bootstrap: permission denied\nRuntime.InvalidEntrypoint"},
		"its own": {pool.Result{Outcome: pool.InitExited, Exit: sandbox.ExitState{Status: 126}}, g, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 126"}`, "RequestId: ID Error: Runtime exited with error: exit status 126\nRuntime.ExitError"},
		"large":   {pool.Result{Outcome: pool.ResponseTooLarge, PayloadBytes: 7000000}, g, `{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size (7000000 bytes) exceeded maximum allowed payload size (6291556 bytes)."}`, ""},
	} {
		v := judge(c.r, c.g, "ID", now)
		if string(v.payload) != c.payload || v.logLine != c.line || (v.functionError == "") != (name == "fine") {
			t.Errorf("%s: %s, %q, log %q", name, v.payload, v.functionError, v.logLine)
		}
	}
}

func TestSystemLines(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	cold := measure{requestID: "ID", version: "7", duration: 128830 * time.Microsecond, init: 166620 * time.Microsecond, memoryMB: 128, peakBytes: 74<<20 - 5, status: statusSuccess}
	warm := cold
	warm.init, warm.status, warm.errorType, warm.peakBytes = 0, statusTimeout, typeTimedOut, 500<<20
	text := &fn.Config{LogFormat: api.LogFormatText}
	for _, c := range []struct {
		m    measure
		want string
	}{
		{cold, "REPORT RequestId: ID\tDuration: 128.83 ms\tBilled Duration: 296 ms\tMemory Size: 128 MB\tMax Memory Used: 74 MB\tInit Duration: 166.62 ms\t"},
		{warm, "REPORT RequestId: ID\tDuration: 128.83 ms\tBilled Duration: 129 ms\tMemory Size: 128 MB\tMax Memory Used: 128 MB\tStatus: timeout\t"},
	} {
		if got := closing(text, c.m, now); len(got) != 2 || got[0] != "END RequestId: ID" || got[1] != c.want {
			t.Errorf("text: %q", got)
		}
	}
	js := &fn.Config{LogFormat: api.LogFormatJson, SystemLevel: api.SystemLogLevelInfo}
	if got := opening(js, cold, now); len(got) != 1 || got[0] != `{"time":"2026-11-23T10:00:00.000Z","type":"platform.start","record":{"requestId":"ID","version":"7"}}` {
		t.Errorf("json: %q", got)
	}
	if got := closing(js, cold, now); len(got) != 1 || !strings.Contains(got[0], `"metrics":{"billedDurationMs":296,"durationMs":128.83,"initDurationMs":166.62,"maxMemoryUsedMB":74,"memorySizeMB":128}`) {
		t.Errorf("json: %q", got)
	}
	js.SystemLevel = api.SystemLogLevelWarn
	if got := append(opening(js, cold, now), closing(js, cold, now)...); len(got) != 0 {
		t.Errorf("at level WARN: %q", got)
	}
}

func TestLogResultIsTheEnd(t *testing.T) {
	raw, err := base64.StdEncoding.DecodeString(logResult([]string{"START"}, strings.Repeat("x", 5000), []string{"END", "REPORT"}))
	if err != nil || len(raw) != logTailBytes || !strings.HasSuffix(string(raw), "x\nEND\nREPORT\n") {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
}

func TestPick(t *testing.T) {
	a := &fn.Alias{Version: "1", Weights: map[string]float64{"2": 0.25}}
	for at, want := range map[int]string{0: "2", 249_999: "2", 250_000: "1", 999_999: "1"} {
		if got := a.Pick(at); got != want {
			t.Errorf("at %d: %s", at, got)
		}
	}
}
