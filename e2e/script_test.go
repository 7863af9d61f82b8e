package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"moln.dev/moln/aws/sigv4"
)

// TestScripts types the scripts of testdata/script. Beside testscript's own
// commands they have
//
//	ready            wait until the moln at $ENDPOINT is ready
//	aws [-key FILE] SERVICE[:TARGET] BODY
//	                 send a signed request to $ENDPOINT: a form, or JSON where
//	                 there is a target; the answer goes to stdout. FILE holds
//	                 the answer to a CreateAccessKey, to sign with that key
//	occupy           listen on $PORT until the script ends
//
// and the variables PORT (free), ENDPOINT and HOME.
func TestScripts(t *testing.T) {
	bin := needBinary(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			port, err := freePort()
			if err != nil {
				return err
			}
			tools := filepath.Join(env.WorkDir, ".bin")
			home := filepath.Join(env.WorkDir, ".home")
			for _, dir := range []string{tools, home} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
			if err := os.Symlink(bin, filepath.Join(tools, "moln")); err != nil {
				return err
			}
			env.Setenv("PATH", tools+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("HOME", home)
			env.Setenv("PORT", fmt.Sprint(port))
			env.Setenv("ENDPOINT", fmt.Sprintf("http://127.0.0.1:%d", port))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": cmdReady, "aws": cmdAWS, "occupy": cmdOccupy,
		},
	})
}

// freePort finds a port that nothing listens on just now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func cmdReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: ready")
	}
	ts.Check(awaitReady(ts.Getenv("ENDPOINT"), startTimeout))
}

func cmdAWS(ts *testscript.TestScript, neg bool, args []string) {
	c := newClient(ts.Getenv("ENDPOINT"))
	if len(args) > 1 && args[0] == "-key" {
		key := ts.ReadFile(args[1])
		c.creds = sigv4.Credentials{AccessKeyID: element(key, "AccessKeyId"), SecretAccessKey: element(key, "SecretAccessKey")}
		args = args[2:]
	}
	if len(args) != 2 {
		ts.Fatalf("usage: aws [-key FILE] SERVICE[:TARGET] BODY")
	}
	service, target, isJSON := strings.Cut(args[0], ":")
	var a answer
	var err error
	if isJSON {
		a, err = c.target(context.Background(), service, target, rawJSON(args[1]), nil)
	} else {
		a, err = c.form(context.Background(), service, args[1])
	}
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "status=%d\n%s\n", a.status, a.body)
	if failed := a.err() != nil; failed != neg {
		ts.Fatalf("%s answered %d: %s", args[0], a.status, a.body)
	}
}

// element gives the text of an XML element without children or escapes.
func element(doc, name string) string {
	_, rest, _ := strings.Cut(doc, "<"+name+">")
	text, _, _ := strings.Cut(rest, "</"+name+">")
	return text
}

// rawJSON is JSON already.
type rawJSON string

// MarshalJSON implements json.Marshaler.
func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func cmdOccupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: occupy")
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+ts.Getenv("PORT"))
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}
