package run

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/pool"
	"moln.dev/moln/engine/pool/runtimeapi"
	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/runtimes"
	"moln.dev/moln/services/lambda/fn"
)

const (
	unhandled      = "Unhandled"
	logTailBytes   = 4 << 10
	responseMax    = 6_291_556
	invalidEntry   = "Runtime.InvalidEntrypoint"
	noProgramExit  = 127
	logTimeLayout  = "2006-01-02T15:04:05.000Z"
	statusTimeout  = "timeout"
	statusError    = "error"
	statusSuccess  = "success"
	typeTimedOut   = "Sandbox.Timedout"
	typeExit       = "Runtime.ExitError"
	typeMemory     = "Runtime.OutOfMemory"
	typeOversize   = "Function.ResponseSizeTooLarge"
	typeUnknownErr = "Runtime.Unknown"
)

// verdict is what an invocation's result means to its caller and its log.
type verdict struct {
	payload       []byte
	functionError string // "" or Unhandled
	status        string // for the report
	errorType     string
	logLine       string // to be logged before END, or ""
}

// judge words a result as Lambda does.
func judge(r pool.Result, g *fn.Config, requestID string, now time.Time) verdict {
	switch r.Outcome {
	case pool.Succeeded:
		return verdict{payload: r.Payload, status: statusSuccess}
	case pool.Failed, pool.InitFailed:
		v := verdict{payload: r.Payload, functionError: unhandled, status: statusError, errorType: r.ErrorType}
		if v.errorType == "" {
			v.errorType = typeUnknownErr
		}
		return v
	case pool.ResponseTooLarge:
		limit := responseMax
		if r.Streamed {
			limit = runtimeapi.StreamMax
		}
		return failure(typeOversize, fmt.Sprintf("Response payload size (%d bytes) exceeded maximum allowed payload size (%d bytes).", r.PayloadBytes, limit), statusError)
	case pool.TimedOut, pool.InitTimedOut:
		text := fmt.Sprintf("Task timed out after %d.00 seconds", g.TimeoutS)
		v := failure(typeTimedOut, "RequestId: "+requestID+" Error: "+text, statusTimeout)
		v.logLine = now.UTC().Format(logTimeLayout) + " " + requestID + " " + text + "\n"
		return v
	case pool.OutOfMemory:
		return failure(typeMemory, "RequestId: "+requestID+" Error: Runtime exited with error: signal: killed", statusError)
	}
	if r.Outcome == pool.ExtensionFailed {
		return failure(r.ErrorType, "RequestId: "+requestID+" Error: "+r.Reason, statusError)
	}
	if strings.HasPrefix(g.Runtime, "provided") && r.Outcome == pool.InitExited && bootstrapText(r.Exit) != "" {
		return failure(invalidEntry, "RequestId: "+requestID+" Error: "+bootstrapText(r.Exit), statusError)
	}
	if g.Image != nil && r.Outcome == pool.InitExited && r.Exit.Status == noProgramExit {
		return failure(invalidEntry, "RequestId: "+requestID+" Error: the image's entry point could not be started: "+r.Exit.String(), statusError)
	}
	return failure(typeExit, "RequestId: "+requestID+" Error: "+exitText(r.Exit), statusError)
}

// bootstrapText says why there was no bootstrap to run, or "".
func bootstrapText(e sandbox.ExitState) string {
	switch e.Status {
	case runtimes.ExitNoBootstrap:
		return "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
	case runtimes.ExitDeniedInCode:
		return "fork/exec /var/task/bootstrap: permission denied"
	case runtimes.ExitDeniedInLayers:
		return "fork/exec /opt/bootstrap: permission denied"
	}
	return ""
}

func exitText(e sandbox.ExitState) string {
	if e.Signal == 0 && e.Status == 0 {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + e.String()
}

func failure(kind, message, status string) verdict {
	body, _ := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{kind, message})
	v := verdict{payload: body, functionError: unhandled, status: status, errorType: kind}
	if kind != typeTimedOut && kind != typeOversize {
		v.logLine = message + "\n" + kind
	}
	return v
}

// measure is what the report says about an invocation.
type measure struct {
	requestID string
	version   string
	duration  time.Duration
	init      time.Duration // 0 where it was warm
	memoryMB  int32
	peakBytes int64
	status    string
	errorType string
}

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond)*100) / 100
}

// billed is the duration rounded up, with init: AWS bills both since August 2025.
func (m measure) billed() int64 {
	return int64(math.Ceil(milliseconds(m.duration) + milliseconds(m.init)))
}

// peakMB is at most the limit: the host counts what AWS does not.
func (m measure) peakMB() int64 {
	mb := (m.peakBytes + 1<<20 - 1) >> 20
	return min(mb, int64(m.memoryMB))
}

func startLine(m measure) string {
	return "START RequestId: " + m.requestID + " Version: " + m.version
}

func endLine(m measure) string { return "END RequestId: " + m.requestID }

// reportLine has a tab after every field, the last one too.
func reportLine(m measure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
		m.requestID, milliseconds(m.duration), m.billed(), m.memoryMB, m.peakMB())
	if m.init > 0 {
		fmt.Fprintf(&b, "Init Duration: %.2f ms\t", milliseconds(m.init))
	}
	switch m.status {
	case statusTimeout:
		b.WriteString("Status: timeout\t")
	case statusError:
		named := strings.HasPrefix(m.errorType, "Runtime.") || strings.HasPrefix(m.errorType, "Extension.")
		if named && m.errorType != typeUnknownErr {
			fmt.Fprintf(&b, "Status: error\tError Type: %s\t", m.errorType)
		}
	}
	return b.String()
}

// platformRecord is one system log line of the JSON format.
func platformRecord(now time.Time, kind string, record any) string {
	raw, _ := json.Marshal(struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{now.UTC().Format(logTimeLayout), kind, record})
	return string(raw)
}

// opening are the system lines before the function's own.
func opening(g *fn.Config, m measure, now time.Time) []string {
	if g.LogFormat != api.LogFormatJson {
		return []string{startLine(m)}
	}
	if g.SystemLevel == api.SystemLogLevelWarn {
		return nil
	}
	return []string{platformRecord(now, "platform.start", map[string]any{"requestId": m.requestID, "version": m.version})}
}

// closing are the system lines after the function's own.
func closing(g *fn.Config, m measure, now time.Time) []string {
	if g.LogFormat != api.LogFormatJson {
		return []string{endLine(m), reportLine(m)}
	}
	if g.SystemLevel == api.SystemLogLevelWarn && m.status == statusSuccess {
		return nil
	}
	metrics := map[string]any{
		"durationMs": milliseconds(m.duration), "billedDurationMs": m.billed(),
		"memorySizeMB": m.memoryMB, "maxMemoryUsedMB": m.peakMB(),
	}
	if m.init > 0 {
		metrics["initDurationMs"] = milliseconds(m.init)
	}
	record := map[string]any{"requestId": m.requestID, "metrics": metrics, "status": m.status}
	if m.errorType != "" {
		record["errorType"] = m.errorType
	}
	return []string{platformRecord(now, "platform.report", record)}
}

// logResult is the last of an invocation's log, as LogType Tail gives it.
func logResult(open []string, body string, shut []string) string {
	text := strings.Join(open, "\n") + "\n" + body
	if body != "" && !strings.HasSuffix(body, "\n") {
		text += "\n"
	}
	text += strings.Join(shut, "\n") + "\n"
	if over := len(text) - logTailBytes; over > 0 {
		text = text[over:]
	}
	return base64.StdEncoding.EncodeToString([]byte(text))
}
