package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"moln.dev/moln/platform/service"
	"moln.dev/moln/server"
)

type scrubCmd struct {
	admin
}

// Run lets the running server read all that it keeps. Damage is told as it is
// found, and makes the command fail.
func (c *scrubCmd) Run() error {
	out := json.NewEncoder(os.Stdout)
	total, err := server.AskScrub(context.Background(), c.Endpoint, c.token(), func(d service.Damage) {
		if c.JSON {
			_ = out.Encode(server.ScrubLine{Damage: &d})
			return
		}
		fmt.Println("damaged: " + describe(d))
	})
	if err != nil {
		return err
	}
	if c.JSON {
		if err := out.Encode(server.ScrubLine{Done: &total}); err != nil {
			return err
		}
	} else {
		fmt.Printf("%d objects, %d bytes read; %d damaged; %d blobs removed that nothing named\n", total.Objects, total.Bytes, total.Damaged, total.Garbage)
	}
	if total.Damaged > 0 {
		return exitStatus(exitFailure)
	}
	return nil
}

func describe(d service.Damage) string {
	what := d.Service
	for _, part := range []struct{ name, value string }{
		{"bucket", d.Bucket}, {"key", d.Key}, {"version", d.Version}, {"upload", d.Upload}, {"blob", d.Blob},
	} {
		if part.value != "" {
			what += fmt.Sprintf(" %s %q", part.name, part.value)
		}
	}
	if d.Part > 0 {
		what += fmt.Sprintf(" part %d", d.Part)
	}
	return what + ": " + d.Reason
}
