package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/outbound"
)

// The key of `moln up`, which tools made for local emulators expect. It is
// accepted on loopback listeners only.
const (
	LocalAccessKey = "test"
	LocalSecretKey = "test"
)

// secretMin is the shortest root secret that a non-loopback listener accepts.
const secretMin = 20

// Config says how a server runs.
type Config struct {
	Listen  string // "127.0.0.1:4566"; port 0 picks one
	DataDir string // state, keys, CA; "" with Ephemeral
	// Ephemeral keeps state in memory and scratch files in a temporary
	// directory that is removed at shutdown.
	Ephemeral bool
	// Store is where state lives: "" (embedded, below DataDir), "mem:" or
	// "postgres://…".
	Store string
	// Blobs is where object bytes live: "" (files below DataDir) or
	// "s3://bucket/prefix?endpoint=…".
	Blobs string
	// SealKeyFile holds the key that secrets are sealed with; "" is seal.key in
	// DataDir. SealKey is the text of such a file and wins over it. All nodes of
	// a store need the same.
	SealKeyFile, SealKey string
	// RootAccessKey and RootSecretKey belong to the account's root user. Where
	// both are empty they are made at first start and kept in the store, sealed.
	RootAccessKey, RootSecretKey string
	Account                      string
	// AdminToken guards /_moln/ pages beyond ready and health. Empty: they
	// answer loopback clients only.
	AdminToken string
	// ProxyAllow are foreign hosts that CONNECT may reach ("*": all).
	ProxyAllow []string
	// TrustProxies are the networks of proxies in front of moln that end TLS and
	// say so in X-Forwarded-Proto; other peers are not believed.
	TrustProxies []netip.Prefix
	// SMTP is "smtp://user:pass@host:port" for outgoing mail; empty: mail
	// stays in the local mailbox.
	SMTP     string
	MailFrom string
	// Sandbox names the isolation of functions: "" (namespaces), "ns", "process",
	// "none", or an OCI runtime by name or path. Strict refuses to run with less
	// than asked.
	Sandbox string
	Strict  bool
	// CPULimits is "aws" to give functions no more of a core than AWS does for
	// their memory, "none" to divide cores so only when they are short.
	CPULimits string
	// Outbound is how near the addresses are that requests may go to which users
	// ask for, such as notifications of web servers; "" is local on a loopback
	// listener, whose users sit at this machine, and public on others.
	Outbound outbound.Reach
	// Egress lets functions reach the network: "none" (moln only) or "host".
	Egress string
	// RuntimesDir holds further interpreters, PackagesDir packages that all
	// functions find.
	RuntimesDir, PackagesDir string
	// WebsiteDomains are host names at and below which a bucket of the same name
	// is served as a website. They must not be moln's own.
	WebsiteDomains []string
	// TLSCert and TLSKey are files for the listener itself; empty: plain HTTP.
	TLSCert, TLSKey string
	// LogLevel and LogJSON shape the log on stderr.
	LogLevel string
	LogJSON  bool
}

// normalise fills defaults in and refuses what is unsafe.
func (c *Config) normalise() error {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:4566"
	}
	if c.Account == "" {
		c.Account = identity.DefaultAccount
	}
	if c.Egress == "" {
		c.Egress = "none"
	}
	if c.Egress != "none" && c.Egress != "host" {
		return fmt.Errorf("egress %q is neither none nor host", c.Egress)
	}
	if err := c.normaliseOutbound(); err != nil {
		return err
	}
	for i, domain := range c.WebsiteDomains {
		domain = strings.ToLower(strings.TrimSuffix(domain, "."))
		if !strings.Contains(domain, ".") || net.ParseIP(domain) != nil || strings.ContainsAny(domain, ":/*") {
			return fmt.Errorf("website domain %q is no domain name of two labels or more", domain)
		}
		c.WebsiteDomains[i] = domain
	}
	if (c.RootAccessKey == "") != (c.RootSecretKey == "") {
		return errors.New("give both --access-key and --secret-key, or neither")
	}
	if c.Ephemeral && (c.Store != "" && c.Store != "mem:" || c.Blobs != "") {
		return errors.New("--ephemeral keeps all state in memory: it goes without --store and --blobs")
	}
	if !c.Ephemeral && c.DataDir == "" {
		return errors.New("a data directory is needed, or --ephemeral")
	}
	if c.DataDir != "" {
		dir, err := filepath.Abs(c.DataDir)
		if err != nil {
			return err
		}
		c.DataDir = dir
	}
	return c.checkExposure()
}

func (c *Config) normaliseOutbound() error {
	if c.Outbound == "" {
		c.Outbound = outbound.Public
		if host, _, err := net.SplitHostPort(c.Listen); err == nil && isLoopback(host) {
			c.Outbound = outbound.Local
		}
	}
	_, err := outbound.Parse(string(c.Outbound))
	return err
}

// checkExposure refuses weak keys on a listener that others can reach.
func (c *Config) checkExposure() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", c.Listen, err)
	}
	if isLoopback(host) {
		return nil
	}
	if c.RootSecretKey != "" && len(c.RootSecretKey) < secretMin {
		return fmt.Errorf("the root secret has fewer than %d characters; on %s, which others can reach, that is refused", secretMin, c.Listen)
	}
	if c.AdminToken == "" {
		return fmt.Errorf("listening on %s, which others can reach, needs an admin token", c.Listen)
	}
	if len(c.ProxyAllow) > 0 {
		// The proxy asks nobody who he is.
		return fmt.Errorf("foreign hosts cannot be reached through a proxy on %s, which others can use; leave --proxy-allow away or listen on loopback", c.Listen)
	}
	return nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
