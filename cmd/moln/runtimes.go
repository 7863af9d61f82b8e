package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"moln.dev/moln/server"
)

type runtimesCmd struct {
	Runtimes string `name:"runtimes-dir" aliases:"runtimes" help:"Directory with further interpreters: programs, or DIR/*/bin." placeholder:"DIR"`
	JSON     bool   `help:"Machine-readable output."`
}

// Run lists AWS's runtime identifiers and what runs each on this host.
func (c *runtimesCmd) Run() error {
	list, err := server.Runtimes(c.Runtimes)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(list)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUNTIME\tRUNS ON\tPROGRAM")
	var needs []string
	missing := map[string][]string{}
	for _, r := range list {
		switch {
		case !r.OK:
			fmt.Fprintf(w, "%s\t-\t\n", r.Name)
			if missing[r.Missing] == nil {
				needs = append(needs, r.Missing)
			}
			missing[r.Missing] = append(missing[r.Missing], r.Name)
		case r.Path == "":
			fmt.Fprintf(w, "%s\tthe function's own program\tbootstrap\n", r.Name)
		case r.Exact:
			fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, r.Version, r.Path)
		default:
			fmt.Fprintf(w, "%s\t%s (instead)\t%s\n", r.Name, r.Version, r.Path)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(missing) > 0 {
		fmt.Println("\nCannot run here:")
	}
	for _, need := range needs {
		fmt.Println("  " + strings.Join(missing[need], ", ") + ": " + need)
	}
	fmt.Println("\nAn identifier whose version is not installed runs on the nearest newer one, else the nearest; functions' logs say so.")
	fmt.Println("To add one: put its programs on PATH, or in DIR or DIR/*/bin, and start moln with --runtimes-dir DIR.")
	return nil
}
