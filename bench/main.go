// The program bench measures moln, and prints what it measured.
//
//	go run ./bench all            every part
//	go run ./bench items start    some
//	go run ./bench -json all      for machines
//
// Parts: codecs, items, dynamodb, shares, lambda, api, start, s3; and large and
// s3-large, which take much time and disk and are no part of all. Each case runs
// several times, in turn with the cases it is compared to, and shows the median of
// its runs: on a shared machine the ratios of one run say more than its absolute
// figures.
//
// It is not a test: nothing here fails because something is slow.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"moln.dev/moln/bench/target"
	"moln.dev/moln/engine/sandbox/crew"
	"moln.dev/moln/engine/sandbox/nssandbox"
)

// bench is one run of the program.
type bench struct {
	ctx       context.Context
	scratch   string // removed at the end
	deps      string // downloaded peers
	binary    string
	runs      int
	period    time.Duration // of one case in one run
	peers     string
	items10k  int // of the large table
	objects1k int // of the large bucket
	report    report
}

// part is a group of measurements that share a server.
type part struct {
	name string
	run  func(*bench) error
}

func parts() []part {
	return []part{
		{"codecs", (*bench).codecs}, {"items", (*bench).items}, {"dynamodb", (*bench).dynamodb},
		{"shares", (*bench).shares}, {"lambda", (*bench).lambda}, {"api", (*bench).api}, {"start", (*bench).start},
		{"s3", (*bench).objects},
		{"large", (*bench).large}, {"s3-large", (*bench).manyObjects},
	}
}

func main() {
	nssandbox.Main() // the part lambda starts sandboxes of its own
	crew.Main()
	if serve := role(os.Args[1:]); serve != nil {
		fmt.Fprintln(os.Stderr, serve())
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// role is what else this program can be, in a process whose time can be measured.
func role(args []string) func() error {
	switch {
	case len(args) == 3 && args[0] == filesCommand:
		return func() error { return serveFiles(args[1], args[2]) }
	case len(args) == 4 && args[0] == bareCommand:
		return func() error { return serveBare(args[1], args[2], args[3]) }
	case len(args) == 2 && args[0] == lineCommand:
		return func() error { return answerLines(args[1]) }
	}
	return nil
}

func run(ctx context.Context) error {
	b := &bench{ctx: ctx}
	asJSON := flag.Bool("json", false, "print JSON")
	flag.IntVar(&b.runs, "runs", 5, "runs of each case")
	flag.DurationVar(&b.period, "period", 2*time.Second, "length of one case in one run")
	flag.StringVar(&b.peers, "peers", "dynalite,dynamodb-local,moto,postgresql,minio,versitygw,serverless-offline", "what to compare items, dynamodb, lambda and s3 with; brought by npm, mvn, pip and go into .deps")
	flag.IntVar(&b.items10k, "large", 1000, "items of the large table, in units of 10,000")
	flag.IntVar(&b.objects1k, "objects", 1000, "objects of the large bucket, in units of 1,000")
	markdown := flag.Bool("markdown", false, "print tables to paste into bench/README.md")
	keep := flag.String("dir", "", "directory for data, on the disk to measure; default below the system's temporary one")
	flag.Parse()
	wanted, err := choose(flag.Args())
	if err != nil {
		return err
	}
	if b.scratch, err = os.MkdirTemp(*keep, "moln-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.scratch)
	if b.deps, err = filepath.Abs(filepath.Join(".deps", "bench")); err != nil {
		return err
	}
	if err := b.build(); err != nil {
		return err
	}
	b.report.describe(b)
	for _, p := range wanted {
		fmt.Fprintln(os.Stderr, "bench:", p.name)
		if err := p.run(b); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// The other parts still say something; the exit code says this.
			b.report.Failed = append(b.report.Failed, p.name+": "+err.Error())
		}
	}
	switch {
	case *asJSON:
		err = b.report.json(os.Stdout)
	case *markdown:
		b.report.markdown(os.Stdout)
	default:
		b.report.print(os.Stdout)
	}
	if len(b.report.Failed) > 0 {
		return fmt.Errorf("%d of %d parts failed", len(b.report.Failed), len(wanted))
	}
	return err
}

func choose(names []string) ([]part, error) {
	if len(names) == 0 || (len(names) == 1 && names[0] == "all") {
		return slices.DeleteFunc(parts(), func(p part) bool { return strings.HasSuffix(p.name, "large") }), nil
	}
	var out []part
next:
	for _, name := range names {
		for _, p := range parts() {
			if p.name == name {
				out = append(out, p)
				continue next
			}
		}
		return nil, fmt.Errorf("no part %q; there are all, codecs, items, dynamodb, shares, lambda, api, start, s3, large, s3-large", name)
	}
	return out, nil
}

// build makes the binary as releases are made, unless MOLN_BIN names one.
func (b *bench) build() error {
	if b.binary = os.Getenv("MOLN_BIN"); b.binary != "" {
		return nil
	}
	b.binary = filepath.Join(b.scratch, "moln")
	cmd := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "moln.dev/moln/cmd/moln")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build moln (run this in its repository, or set MOLN_BIN): %w\n%s", err, out)
	}
	return nil
}

// dir makes a directory below the scratch one.
func (b *bench) dir(name string) (string, error) {
	d := filepath.Join(b.scratch, name)
	return d, os.MkdirAll(d, 0o700)
}

// moln starts a server whose state is durable, in a data directory of its own.
func (b *bench) moln(name string) (*target.Server, error) {
	dir, err := b.dir(name)
	if err != nil {
		return nil, err
	}
	return target.Start(b.ctx, b.launch(dir))
}

func (b *bench) launch(dir string) target.Launch {
	return target.Launch{
		Command: []string{b.binary, "serve", "--listen", "{addr}", "--data-dir", dir, "--log-level", "warn",
			"--access-key", target.AccessKey, "--secret-key", target.SecretKey},
		Ready: "/_moln/ready",
	}
}

// peer says whether a peer was asked for.
func (b *bench) peer(name string) bool {
	for p := range strings.SplitSeq(b.peers, ",") {
		if p == name {
			return true
		}
	}
	return false
}
