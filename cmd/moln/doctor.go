package main

import (
	"encoding/json"
	"fmt"
	"os"

	"moln.dev/moln/server"
)

type doctorCmd struct {
	Runtimes string `name:"runtimes-dir" aliases:"runtimes" help:"Directory with further interpreters: programs, or DIR/*/bin." placeholder:"DIR"`
	JSON     bool   `help:"Machine-readable output."`
}

// Run reports what this host offers; it fails when no function could run.
func (c *doctorCmd) Run() error {
	report := server.Examine(c.Runtimes)
	if c.JSON {
		if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
			return err
		}
	} else {
		for _, f := range report.Findings {
			mark := "ok     "
			if !f.OK {
				mark = "missing"
			}
			fmt.Printf("%s  %-28s %s\n", mark, f.Subject, f.Detail)
		}
	}
	if !report.CanRun {
		return exitStatus(exitFailure)
	}
	return nil
}
