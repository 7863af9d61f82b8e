package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"moln.dev/moln/server"
)

// target are the flags that name a running moln.
type target struct {
	Endpoint  string `help:"The running moln." default:"http://127.0.0.1:4566"`
	DataDir   string `help:"Its data directory, for its certificate authority." default:".moln" type:"path"`
	Region    string `help:"Region for the tools." default:"us-east-1"`
	AccessKey string `help:"Access key." default:"test"`
	SecretKey string `help:"Secret key." default:"test"`
}

// variable is one line of the environment.
type variable struct{ Name, Value string }

// variables is what an AWS tool needs. proxy adds what sends tools without
// endpoints through moln's CONNECT port, under its own authority.
func (t *target) variables(proxy bool, ca string) []variable {
	vars := []variable{
		{"AWS_ENDPOINT_URL", t.Endpoint},
		{"AWS_ACCESS_KEY_ID", t.AccessKey},
		{"AWS_SECRET_ACCESS_KEY", t.SecretKey},
		{"AWS_REGION", t.Region},
		{"AWS_DEFAULT_REGION", t.Region},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"NO_PROXY", "127.0.0.1,localhost,.localhost"},
	}
	if proxy {
		vars = append(vars,
			variable{"HTTPS_PROXY", t.Endpoint}, variable{"HTTP_PROXY", t.Endpoint},
			variable{"https_proxy", t.Endpoint}, variable{"http_proxy", t.Endpoint},
			variable{"no_proxy", "127.0.0.1,localhost,.localhost"},
			variable{"NODE_EXTRA_CA_CERTS", ca}, variable{"AWS_CA_BUNDLE", ca},
			variable{"REQUESTS_CA_BUNDLE", ca}, variable{"SSL_CERT_FILE", ca},
		)
	}
	return vars
}

// authority finds the certificate of the running moln, asking it for a copy
// when the data directory is not here.
func (t *target) authority() (string, error) {
	file := filepath.Join(t.DataDir, "ca.pem")
	pem, err := server.FetchAuthority(t.Endpoint)
	if err != nil {
		if _, statErr := os.Stat(file); statErr == nil {
			return file, nil
		}
		return "", fmt.Errorf("no moln answers at %s (%w); start one with `moln up`, or name it with --endpoint", t.Endpoint, err)
	}
	if have, err := os.ReadFile(file); err == nil && string(have) == string(pem) {
		return file, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return writeAuthority(filepath.Join(dir, "moln"), authorityName(t.Endpoint), pem)
}

// authorityName is one file per moln: with a shared one, a command that runs
// against one moln would lose its authority to the next command against another.
func authorityName(endpoint string) string {
	where := endpoint
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		where = u.Host
	}
	return "ca-" + url.PathEscape(strings.NewReplacer(":", "-", "[", "", "]", "").Replace(where)) + ".pem"
}

func writeAuthority(dir, name string, pem []byte) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, name+".*")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.Write(pem); err != nil {
		return "", err
	}
	file := filepath.Join(dir, name)
	return file, os.Rename(f.Name(), file)
}

type envCmd struct {
	target
	Proxy  bool   `help:"Also set the proxy variables, for tools that know no endpoints (serverless v1-v3, old SDKs)."`
	Format string `help:"sh, fish, dotenv or json." default:"sh" enum:"sh,fish,dotenv,json"`
}

// Run prints the environment.
func (c *envCmd) Run() error {
	ca, err := c.authority()
	if err != nil {
		return err
	}
	vars := c.variables(c.Proxy, ca)
	if c.Format == "json" {
		m := map[string]string{}
		for _, v := range vars {
			m[v.Name] = v.Value
		}
		return json.NewEncoder(os.Stdout).Encode(m)
	}
	for _, v := range vars {
		switch c.Format {
		case "fish":
			fmt.Printf("set -gx %s %s\n", v.Name, quote(v.Value))
		case "dotenv":
			fmt.Printf("%s=%s\n", v.Name, v.Value)
		default:
			fmt.Printf("export %s=%s\n", v.Name, quote(v.Value))
		}
	}
	return nil
}

// quote makes a word that sh and fish read as it is.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

type execCmd struct {
	target
	Command []string `arg:"" passthrough:"" help:"The command and its arguments, after --."`
}

// Run runs the command and ends with its exit code.
func (c *execCmd) Run() error {
	args := c.Command
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return errors.New("exec needs a command: moln exec -- serverless deploy")
	}
	ca, err := c.authority()
	if err != nil {
		return err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = overlay(os.Environ(), c.variables(true, ca))
	// The terminal sends signals to the command as well; moln only waits.
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, os.Interrupt, syscall.SIGTERM)
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitStatus(max(exit.ExitCode(), exitFailure))
	}
	return err
}

// overlay sets vars over env. AWS_PROFILE is dropped: a profile's keys would
// win over the ones given here.
func overlay(env []string, vars []variable) []string {
	out := slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "AWS_PROFILE" || name == "AWS_SESSION_TOKEN" ||
			slices.ContainsFunc(vars, func(v variable) bool { return v.Name == name })
	})
	for _, v := range vars {
		out = append(out, v.Name+"="+v.Value)
	}
	return out
}
