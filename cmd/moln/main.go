// Command moln is the AWS serverless platform on your own machines, in one
// binary. `moln help` lists what it does; this package is flags, output and
// exit codes, and nothing else.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"moln.dev/moln/engine/sandbox/crew"
	"moln.dev/moln/engine/sandbox/nssandbox"
)

// Exit codes, documented in `moln help`.
const (
	exitFailure = 1
	exitUsage   = 2
)

// cli is the command line.
type cli struct {
	Up       upCmd       `cmd:"" help:"Run moln for development: loopback, key test/test, state in .moln/."`
	Serve    serveCmd    `cmd:"" help:"Run moln as a server: keys made at first start, TLS where others can reach it."`
	Env      envCmd      `cmd:"" help:"Print the environment that points AWS tools at a running moln."`
	Exec     execCmd     `cmd:"" help:"Run a command with that environment set, through moln's proxy where a tool knows no endpoints."`
	Doctor   doctorCmd   `cmd:"" help:"Say which runtimes and sandboxes this host offers, and what is missing."`
	Image    imageCmd    `cmd:"" help:"Bring container images into moln's registry: moln image load app.tar app:latest."`
	Invoke   invokeCmd   `cmd:"" help:"Invoke a function of a running moln, and print its answer and the end of its log."`
	Runtimes runtimesCmd `cmd:"" help:"List AWS's runtime identifiers, what runs each on this host, and how to add what is missing."`
	Why      whyCmd      `cmd:"" help:"Show why requests were denied, with the least policy that would allow them."`
	Clock    clockCmd    `cmd:"" help:"Show the account's clock, or move it forward: moln clock advance 1h."`
	Scrub    scrubCmd    `cmd:"" help:"Read all stored bytes, compare them with their checksums, and name what is damaged."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

func main() {
	// Functions' sandboxes start as this same program; it never returns from
	// here.
	nssandbox.Main()
	crew.Main()

	var c cli
	parser := kong.Must(&c, kong.Name("moln"),
		kong.Description("The AWS serverless platform on your own machines: Lambda, API Gateway, Cognito, S3, DynamoDB, IAM and CloudFormation behind AWS's own protocols.\n\nEvery flag can be given as MOLN_<FLAG> in the environment. Exit codes: 0 done, 1 failed, 2 wrong usage; exec passes its command's code on."),
		kong.DefaultEnvars("MOLN"), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) {
			if code != 0 {
				code = exitUsage
			}
			os.Exit(code)
		}))
	ctx, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)
	if err := ctx.Run(); err != nil {
		var status exitStatus
		if errors.As(err, &status) {
			os.Exit(int(status))
		}
		fmt.Fprintln(os.Stderr, "moln: "+err.Error())
		os.Exit(exitFailure)
	}
}

// exitStatus ends the program with a code and no message.
type exitStatus int

// Error implements error.
func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
