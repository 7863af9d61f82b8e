// Program probe is what the suite puts in a root of its own: a static binary
// that tells what it sees. Its arguments are pairs of what to do and a path.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	dir, _ := os.Getwd()
	fmt.Println("dir", dir)
	for args := os.Args[1:]; len(args) >= 2; args = args[2:] {
		fmt.Println(args[0], args[1], do(args[0], args[1]))
	}
}

func do(what, name string) string {
	switch what {
	case "list":
		entries, err := os.ReadDir(name)
		if err != nil {
			return "refused"
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, ",")
	case "read":
		if os.Getpid() == 1 && strings.HasPrefix(name, "/proc/1/") {
			return "refused" // its own: where there is no helper to look into
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return "refused"
		}
		return strings.TrimSpace(string(data))
	case "write":
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			return "refused"
		}
		return "written"
	}
	return "unknown"
}
