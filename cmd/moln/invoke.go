package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"moln.dev/moln/server"
)

type invokeCmd struct {
	target
	Function      string `arg:"" help:"The function: its name or its ARN."`
	Payload       string `short:"p" help:"The event, as JSON; @FILE for a file's, - for standard input's." default:"{}"`
	Qualifier     string `help:"A version or an alias."`
	ClientContext string `help:"What context.clientContext is, as JSON."`
	Async         bool   `help:"Queue the event, and do not wait for it."`
	Inspect       string `help:"Run it with the debugger of Node.js or Python (debugpy) open at this loopback address of moln's host, waiting for a client." placeholder:"127.0.0.1:9229"`
	Token         string `help:"Admin token for --inspect, where the server asks for one; read from the data directory when not given."`
	Quiet         bool   `short:"q" help:"Do not print the end of the log on standard error."`
	JSON          bool   `help:"Print one object with payload, error, log and request id."`
}

// Run prints the function's answer on standard output. A function that failed
// makes the command fail.
func (c *invokeCmd) Run() error {
	payload, err := input(c.Payload)
	if err != nil {
		return err
	}
	token := ""
	if c.Inspect != "" {
		if c.Async {
			return errors.New("--inspect waits for the answer, --async does not")
		}
		token = (&admin{Token: c.Token, DataDir: c.DataDir}).token()
		fmt.Fprintf(os.Stderr, "the debugger waits at %s: open chrome://inspect, or attach an editor; it runs on when a client has attached and says so\n", c.Inspect)
	}
	out, err := server.Invoke(context.Background(), server.Invocation{
		Inspect: c.Inspect, Token: token,
		Endpoint: c.Endpoint, Region: c.Region, AccessKey: c.AccessKey, SecretKey: c.SecretKey,
		Function: c.Function, Qualifier: c.Qualifier, Payload: payload, ClientContext: []byte(c.ClientContext), Async: c.Async,
	})
	if err != nil {
		return err
	}
	return c.print(out)
}

func (c *invokeCmd) print(out server.Invoked) error {
	if c.JSON {
		told := map[string]any{"requestId": out.RequestID, "executedVersion": out.Version, "log": out.LogTail, "functionError": out.FunctionError}
		if len(out.Payload) > 0 {
			told["payload"] = json.RawMessage(out.Payload)
			if !json.Valid(out.Payload) {
				told["payload"] = string(out.Payload)
			}
		}
		if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
			return err
		}
	} else {
		if !c.Quiet {
			fmt.Fprint(os.Stderr, out.LogTail)
		}
		if len(out.Payload) > 0 {
			fmt.Println(string(out.Payload))
		}
	}
	if out.FunctionError != "" {
		return exitStatus(exitFailure)
	}
	return nil
}

// input is an argument's text, or what it names.
func input(arg string) ([]byte, error) {
	if arg == "-" {
		return io.ReadAll(os.Stdin)
	}
	if file, ok := strings.CutPrefix(arg, "@"); ok {
		return os.ReadFile(file)
	}
	return []byte(arg), nil
}
