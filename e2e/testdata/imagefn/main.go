// Program imagefn is a function and an extension for container images: one static
// binary over the bare interfaces, which tells what it was begun with and where.
package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API")
	if filepath.Dir(os.Args[0]) == "/opt/extensions" {
		extend(api + "/2020-01-01/extension/")
	}
	serve(api + "/2018-06-01/runtime/")
}

// serve answers each event with what the function sees.
func serve(api string) {
	for {
		next, err := http.Get(api + "invocation/next")
		if err != nil {
			os.Exit(1)
		}
		event, _ := io.ReadAll(next.Body)
		dir, _ := os.Getwd()
		data, _ := os.ReadFile("/data.txt")
		body, _ := json.Marshal(map[string]any{
			"args": strings.Join(os.Args[1:], " "), "dir": dir, "event": string(event), "data": string(data), "image": os.Getenv("FROM_IMAGE"),
			"rootWritten": os.WriteFile("/written", nil, 0o600) == nil, "tmpWritten": os.WriteFile("/tmp/written", nil, 0o600) == nil,
			"usr": exists("/usr"), "shadow": exists("/etc/shadow"),
		})
		answer, err := http.Post(api+"invocation/"+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", strings.NewReader(string(body)))
		if err != nil {
			os.Exit(1)
		}
		_ = answer.Body.Close()
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// extend registers and hears of events until it is told to end.
func extend(api string) {
	register, _ := http.NewRequest(http.MethodPost, api+"register", strings.NewReader(`{"events":["INVOKE","SHUTDOWN"]}`))
	register.Header.Set("Lambda-Extension-Name", filepath.Base(os.Args[0]))
	registered, err := http.DefaultClient.Do(register)
	if err != nil {
		os.Exit(1)
	}
	for {
		next, _ := http.NewRequest(http.MethodGet, api+"event/next", nil)
		next.Header.Set("Lambda-Extension-Identifier", registered.Header.Get("Lambda-Extension-Identifier"))
		event, err := http.DefaultClient.Do(next)
		if err != nil {
			os.Exit(1)
		}
		text, _ := io.ReadAll(event.Body)
		if strings.Contains(string(text), "SHUTDOWN") {
			os.Exit(0)
		}
		println("the extension heard of an event")
	}
}
