package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/platform/audit"
	"moln.dev/moln/server"
)

// admin are the flags of commands that ask a running moln.
type admin struct {
	Endpoint string `help:"The running moln." default:"http://127.0.0.1:4566"`
	Token    string `help:"Admin token, where the server asks for one; read from the data directory when not given."`
	DataDir  string `help:"The server's data directory, for its admin token." default:".moln" type:"path"`
	JSON     bool   `help:"Machine-readable output."`
}

// ask sends a request to the server's own pages.
func (a *admin) ask(method, path string, out any) error {
	return server.Ask(a.Endpoint, a.token(), method, path, out)
}

// token is the admin token; empty where there is none.
func (a *admin) token() string {
	if a.Token != "" {
		return a.Token
	}
	// Most servers ask for none, and then there is no file.
	kept, err := os.ReadFile(filepath.Join(a.DataDir, "admin-token"))
	if err != nil {
		return ""
	}
	return string(kept)
}

type whyCmd struct {
	admin
	Request string `arg:"" optional:"" help:"A request id; without it, the latest denials."`
}

// Run prints decisions with their reasons.
func (c *whyCmd) Run() error {
	var records []audit.Record
	query := "/_moln/audit?denied=1&max=20"
	if c.Request != "" {
		query = "/_moln/audit?max=100&request=" + c.Request
	}
	if err := c.ask("GET", query, &records); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(records)
	}
	if len(records) == 0 {
		fmt.Println("nothing was denied")
	}
	for _, r := range records {
		printWhy(r)
	}
	return nil
}

func printWhy(r audit.Record) {
	fmt.Printf("%s  %s  %s %s by %s: %d %s\n", r.Time.Format(time.TimeOnly), r.RequestID, r.Service, r.Operation, r.Caller, r.Status, r.Code)
	for _, d := range r.Decisions {
		verdict := "denied "
		if d.Allowed {
			verdict = "allowed"
		}
		fmt.Printf("  %s %s on %s: %s\n", verdict, d.Action, d.Resource, d.Reason)
		for _, s := range d.Statements {
			fmt.Printf("    by %s\n", s)
		}
		if d.Least != "" {
			fmt.Printf("    would allow it: %s\n", d.Least)
		}
	}
	for _, n := range r.Notes {
		fmt.Println("  note: " + n)
	}
}

type clockCmd struct {
	admin
	Verb string `arg:"" optional:"" enum:"show,advance" default:"show" help:"show or advance."`
	By   span   `arg:"" optional:"" help:"How far to move the clock forward: 90s, 1h, 31d."`
}

// span is a time.Duration that may begin with days, as in 31d or 1d12h.
type span time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *span) UnmarshalText(text []byte) error {
	days, rest, ok := strings.Cut(string(text), "d")
	if !ok {
		days, rest = "0", string(text)
	} else if rest == "" {
		rest = "0s"
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return fmt.Errorf("expected a duration such as 90s, 1h or 31d, but got %q", text)
	}
	d, err := time.ParseDuration(rest)
	*s = span(time.Duration(n)*24*time.Hour + d)
	return err
}

// Run shows or advances the account's clock.
func (c *clockCmd) Run() error {
	var out struct{ Now string }
	method, path := "GET", "/_moln/info"
	if c.Verb == "advance" {
		method, path = "POST", "/_moln/clock?advance="+time.Duration(c.By).String()
	}
	if err := c.ask(method, path, &out); err != nil {
		return err
	}
	fmt.Println(out.Now)
	return nil
}

type versionCmd struct {
	JSON bool `help:"Machine-readable output."`
}

// Run prints the version.
func (c *versionCmd) Run() error {
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(map[string]string{"version": server.Version()})
	}
	fmt.Println("moln " + server.Version())
	return nil
}
