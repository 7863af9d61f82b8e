package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"moln.dev/moln/platform/outbound"
	"moln.dev/moln/server"
)

// common are the flags of up and serve.
type common struct {
	Listen     string   `help:"Address to listen on." default:"127.0.0.1:4566"`
	Store      string   `help:"Where state lives: embedded below the data directory, or postgres://…." placeholder:"URL"`
	Blobs      string   `help:"Where object bytes live: files below the data directory, or s3://bucket/prefix?endpoint=…." placeholder:"URL"`
	SealKey    string   `name:"seal-key-file" help:"File with the key that secrets are sealed with, the same for all nodes of a store; default seal.key in the data directory. MOLN_SEAL_KEY may hold the file's text instead." placeholder:"FILE"`
	Account    string   `help:"Account number." default:"000000000000"`
	Sandbox    string   `help:"Isolation of functions: auto or ns (namespaces), an OCI runtime by name or path (crun, runc, runsc), process (a plain process: no isolation) or none (functions do not run)." default:"auto"`
	Strict     bool     `help:"Refuse to start when functions cannot be isolated as asked."`
	CPULimits  string   `name:"cpu-limits" help:"none (environments share cores by their memory) or aws (and get no more than AWS gives: one core at 1769 MB)." default:"none" enum:"none,aws"`
	Egress     string   `help:"What functions may reach: none (moln only) or host (all that this machine reaches)." default:"none" enum:"none,host"`
	Outbound   string   `help:"How near the addresses are that requests may go to which users ask for, such as SNS's to web servers: public (the internet), private (and private networks) or local (and this machine). Default: local on a loopback listener, else public." default:"" enum:",public,private,local"`
	ProxyAllow []string `help:"Foreign hosts that moln's proxy lets through (* for all)." placeholder:"HOST"`
	SMTP       string   `name:"smtp" help:"Mail server for what Cognito sends: smtp://user:pass@host:port. Without it mail stays in the local mailbox." placeholder:"URL"`
	MailFrom   string   `help:"Sender of that mail." default:"no-reply@verificationemail.com"`
	Websites   []string `name:"website-domain" help:"Domain at and below which a bucket named as the host is served as a website." placeholder:"DOMAIN"`
	Runtimes   string   `name:"runtimes-dir" aliases:"runtimes" help:"Directory with further interpreters: programs, or DIR/*/bin." placeholder:"DIR"`
	Packages   string   `name:"packages-dir" help:"Directory with packages that all functions find, such as AWS's SDKs: DIR/node_modules, DIR/python." placeholder:"DIR"`
	LogLevel   string   `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error"`
	JSON       bool     `help:"Machine-readable output, one JSON object a line."`
}

func (c *common) config() server.Config {
	sandbox := c.Sandbox
	if sandbox == "auto" {
		sandbox = ""
	}
	return server.Config{
		Listen: c.Listen, Store: c.Store, Blobs: c.Blobs, Account: c.Account,
		SealKeyFile: c.SealKey, SealKey: os.Getenv("MOLN_SEAL_KEY"),
		Sandbox: sandbox, Strict: c.Strict, CPULimits: c.CPULimits, Egress: c.Egress, Outbound: outbound.Reach(c.Outbound), ProxyAllow: c.ProxyAllow,
		SMTP: c.SMTP, MailFrom: c.MailFrom, RuntimesDir: c.Runtimes, PackagesDir: c.Packages, WebsiteDomains: c.Websites, LogLevel: c.LogLevel, LogJSON: c.JSON,
	}
}

// Validate refuses what can be told wrong without starting.
func (c *common) Validate() error { return server.KnownSandbox(c.Sandbox) }

func (c *common) logger() *slog.Logger {
	var level slog.Level
	level.UnmarshalText([]byte(c.LogLevel))
	opts := &slog.HandlerOptions{Level: level}
	if c.JSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts))
}

type upCmd struct {
	common
	DataDir   string `help:"Where state is kept." default:".moln" type:"path"`
	Ephemeral bool   `help:"Keep state in memory; nothing is left behind."`
}

// Run starts a development server.
func (c *upCmd) Run() error {
	cfg := c.config()
	cfg.RootAccessKey, cfg.RootSecretKey = server.LocalAccessKey, server.LocalSecretKey
	if cfg.Ephemeral = c.Ephemeral; !c.Ephemeral {
		cfg.DataDir = c.DataDir
	}
	if c.Egress == "host" {
		// Functions then reach this machine's loopback as its users do, and
		// being there must not open moln's own pages to them.
		var err error
		if cfg.AdminToken, err = c.adminToken(); err != nil {
			return err
		}
	}
	return run(cfg, &c.common)
}

// adminToken is kept in the data directory; without one it is made and shown.
func (c *upCmd) adminToken() (string, error) {
	if !c.Ephemeral {
		return server.OpenAdminToken(c.DataDir)
	}
	token := server.MakeAdminToken()
	say(c.JSON, os.Stdout, "admin token", map[string]any{"token": token})
	return token, nil
}

type serveCmd struct {
	common
	DataDir   string `help:"Where state and keys are kept." default:"/var/lib/moln" type:"path"`
	AccessKey string `help:"Root access key; made at first start when not given."`
	SecretKey string `help:"Root secret key; made at first start when not given."`
	TLSCert   string `name:"tls-cert" help:"Certificate file of the listener." type:"existingfile"`
	TLSKey    string `name:"tls-key" help:"Key file of the listener." type:"existingfile"`
	// Proxies on this machine are trusted without.
	TrustProxy []netip.Prefix `name:"trust-proxy" help:"Network of proxies that end TLS in front of moln and say so in X-Forwarded-Proto." placeholder:"CIDR"`
}

// Run starts a server that others may reach.
func (c *serveCmd) Run() error {
	cfg := c.config()
	cfg.DataDir = c.DataDir
	cfg.RootAccessKey, cfg.RootSecretKey = c.AccessKey, c.SecretKey
	cfg.TLSCert, cfg.TLSKey = c.TLSCert, c.TLSKey
	cfg.TrustProxies = c.TrustProxy
	var err error
	if cfg.AdminToken, err = server.OpenAdminToken(cfg.DataDir); err != nil {
		return err
	}
	return run(cfg, &c.common)
}

// run opens, reports and serves until a signal comes.
func run(cfg server.Config, c *common) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	slow := time.AfterFunc(time.Second, func() {
		say(c.JSON, os.Stderr, "opening the store …", nil)
	})
	s, err := server.Open(ctx, cfg, c.logger())
	slow.Stop()
	if err != nil {
		return err
	}
	if access, secret, made := s.MadeRoot(); made {
		say(c.JSON, os.Stdout, "root key, shown this once", map[string]any{"accessKeyId": access, "secretAccessKey": secret})
	}
	facts := map[string]any{"endpoint": s.Endpoint(), "readyMillis": float64(time.Since(began).Microseconds()) / 1000, "pid": os.Getpid()}
	if cfg.Ephemeral {
		facts["state"] = "in memory"
	} else {
		facts["state"] = filepath.Clean(cfg.DataDir)
	}
	say(c.JSON, os.Stdout, "moln is ready", facts)
	if !c.JSON && term.IsTerminal(int(os.Stdout.Fd())) {
		fmt.Fprintf(os.Stdout, "\n  eval \"$(moln env --endpoint %s)\"     points this shell's AWS tools at it\n  moln exec --endpoint %s -- CMD        runs one command so\n\n", s.Endpoint(), s.Endpoint())
	}
	return s.Serve(ctx)
}

// say prints one event: words for people, an object for machines.
func say(asJSON bool, w io.Writer, event string, facts map[string]any) {
	if asJSON {
		line := map[string]any{"event": event}
		for k, v := range facts {
			line[k] = v
		}
		json.NewEncoder(w).Encode(line)
		return
	}
	var b strings.Builder
	b.WriteString(event)
	for _, k := range []string{"endpoint", "state", "readyMillis", "accessKeyId", "secretAccessKey", "token", "pid"} {
		if v, ok := facts[k]; ok {
			fmt.Fprintf(&b, "  %s=%v", k, v)
		}
	}
	fmt.Fprintln(w, b.String())
}
