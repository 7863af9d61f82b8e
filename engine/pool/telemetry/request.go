package telemetry

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of a subscription's buffering, from the Telemetry API's reference.
const (
	itemsMin, itemsMax         = 1000, 10_000
	bytesMin, bytesMax         = 256 << 10, 1 << 20
	timeoutMsMin, timeoutMsMax = 25, 30_000
	timeoutMsDefault           = 1000
	portMax                    = 1<<16 - 1
	runtimePort                = 9001 // the Runtime API's own
)

// dialect is one of the two APIs.
type dialect struct {
	title    string // in its refusals
	itemsDef int
	schemas  []string
	logs     bool
}

// dialects by their path.
var dialects = map[string]dialect{
	"/2022-07-01/telemetry": {title: "Telemetry", itemsDef: itemsMin, schemas: []string{"2022-07-01", "2022-12-13", "2025-01-29"}},
	"/2020-08-15/logs":      {title: "Logs", itemsDef: itemsMax, schemas: []string{"2020-08-15", "2021-03-18"}, logs: true},
}

// order is what an extension asked for.
type order struct {
	types   []string
	schema  string
	tcp     bool
	port    int
	path    string // of the HTTP request, with its query
	host    string
	method  string
	items   int
	bytes   int
	timeout time.Duration
}

// request is a subscription's body.
type request struct {
	SchemaVersion string    `json:"schemaVersion"`
	Types         []string  `json:"types"`
	Buffering     buffering `json:"buffering"`
	Destination   struct {
		Protocol string `json:"protocol"`
		URI      string `json:"URI"`
		Port     *int   `json:"port"`
		Method   string `json:"method"`
		Encoding string `json:"encoding"`
	} `json:"destination"`
}

type buffering struct {
	MaxItems  *int `json:"maxItems"`
	MaxBytes  *int `json:"maxBytes"`
	TimeoutMs *int `json:"timeoutMs"`
}

// parse reads a subscription. problems is what an extension is told is wrong.
func (d dialect) parse(body []byte) (o order, problems []string) {
	var q request
	if err := json.Unmarshal(body, &q); err != nil {
		return order{}, []string{"request body is not valid JSON: " + err.Error()}
	}
	if q.SchemaVersion == "" {
		q.SchemaVersion = d.schemas[0]
	}
	if !slices.Contains(d.schemas, q.SchemaVersion) {
		problems = append(problems, "schemaVersion is not supported: "+q.SchemaVersion)
	}
	o = order{schema: q.SchemaVersion, method: "POST"}
	problems = append(problems, o.aim(q)...)
	if len(q.Types) == 0 {
		problems = append(problems, "types should not be empty")
	}
	for _, name := range q.Types {
		switch {
		case name != Platform && name != Function && name != Extended:
			problems = append(problems, "types contain an unknown value: "+name)
		case !slices.Contains(o.types, name):
			o.types = append(o.types, name)
		}
	}
	return o, append(problems, o.buffer(q.Buffering, d.itemsDef)...)
}

func (o *order) buffer(b buffering, itemsDefault int) (problems []string) {
	limit := func(name string, given *int, low, high, otherwise int) int {
		if given == nil {
			return otherwise
		}
		if *given < low || *given > high {
			problems = append(problems, fmt.Sprintf("%s should be between %d and %d", name, low, high))
		}
		return *given
	}
	o.items = limit("maxItems", b.MaxItems, itemsMin, itemsMax, itemsDefault)
	o.bytes = limit("maxBytes", b.MaxBytes, bytesMin, bytesMax, bytesMin)
	o.timeout = time.Duration(limit("timeoutMs", b.TimeoutMs, timeoutMsMin, timeoutMsMax, timeoutMsDefault)) * time.Millisecond
	return problems
}

// aim reads where events go: a port of the environment itself.
func (o *order) aim(q request) (problems []string) {
	to := q.Destination
	if to.Encoding != "" && to.Encoding != "JSON" {
		problems = append(problems, "destination encoding should be JSON")
	}
	switch to.Protocol {
	case "TCP":
		o.tcp = true
		if to.Port == nil {
			return append(problems, "port is not provided")
		}
		o.port = *to.Port
	case "HTTP":
		if to.Method == "PUT" || to.Method == "POST" {
			o.method = to.Method
		} else if to.Method != "" {
			problems = append(problems, "destination method should be POST or PUT")
		}
		problems = append(problems, o.aimURI(to.URI)...)
		if o.port == 0 {
			return problems
		}
	default:
		return append(problems, "destination protocol should be HTTP or TCP")
	}
	if o.port < 1 || o.port > portMax {
		problems = append(problems, "port should be between 1 and 65535")
	}
	if o.port == runtimePort {
		problems = append(problems, "port 9001 is reserved")
	}
	return problems
}

func (o *order) aimURI(text string) (problems []string) {
	u, err := url.Parse(text)
	if text == "" || err != nil {
		return []string{"URI is not valid"}
	}
	if u.Scheme != "http" {
		problems = append(problems, "URI scheme should be http")
	}
	if name := u.Hostname(); name != "sandbox" && name != "sandbox.localdomain" {
		problems = append(problems, "URI host should be sandbox or sandbox.localdomain")
	}
	if u.Port() == "" {
		return append(problems, "URI port is not provided")
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return append(problems, "URI port is not valid")
	}
	o.port, o.host = port, u.Host
	o.path = u.RequestURI()
	return problems
}

// refusal joins what is wrong, as these APIs word it.
func refusal(problems []string) string { return strings.Join(problems, "; ") }
