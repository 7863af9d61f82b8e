package runtimes

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Language is a family of interpreters.
type Language string

// The languages of AWS's managed runtimes. DotNet has no bootstrap here.
const (
	Node   Language = "nodejs"
	Python Language = "python"
	Ruby   Language = "ruby"
	Java   Language = "java"
	DotNet Language = "dotnet"
)

// Languages lists those with a bootstrap here.
func Languages() []Language { return []Language{Node, Python, Ruby, Java} }

// language is what there is to know about one.
type language struct {
	title string
	// oldest is the least rank that the bootstrap runs on, newest is named so.
	oldest  int
	version string
	// question makes an interpreter tell about itself. Shims pass it on to the
	// program they stand for.
	question []string
	answer   func(output []byte) (told, error)
}

// told is an interpreter's answer.
type told struct {
	Version string `json:"v"`
	Program string `json:"p"` // the real program
	Prefix  string `json:"r"` // the directory it is installed in
	Further []string
}

func (l language) need() string { return l.title + " " + l.version + " or newer" }

// refusal says what stands in the way of an identifier without a bootstrap.
func (language) refusal(identifier string) string {
	switch {
	case strings.HasPrefix(identifier, "dotnet"):
		return "moln has no bootstrap for .NET's class libraries; publish the function as a native or self-contained executable named bootstrap (Amazon.Lambda.RuntimeSupport), with the runtime provided.al2023"
	case identifier == "go1.x":
		return "AWS retired it for provided.al2023, which moln runs: build the function with aws-lambda-go, and name the program bootstrap"
	}
	return "moln has no bootstrap for this language; package the function with its own runtime (provided.al2023)"
}

var languages = map[Language]language{
	Node: {
		title: "Node.js", oldest: 18, version: "18", answer: inJSON,
		question: []string{"-p", `JSON.stringify({v:process.versions.node,p:require("fs").realpathSync(process.execPath),r:""})`},
	},
	Python: {
		title: "Python", oldest: 308, version: "3.8", answer: inJSON,
		question: []string{"-S", "-c", `import json,os,sys;print(json.dumps({"v":"%d.%d.%d"%sys.version_info[:3],` +
			`"p":os.path.realpath(getattr(sys,"_base_executable",sys.executable)),"r":sys.base_prefix}))`},
	},
	Ruby: {
		title: "Ruby", oldest: 207, version: "2.7", answer: inJSON,
		question: []string{"--disable-gems", "-rrbconfig", "-rjson", "-e",
			`puts JSON.generate("v"=>RUBY_VERSION,"p"=>File.realpath(RbConfig.ruby),"r"=>RbConfig::CONFIG["prefix"])`},
	},
	Java: {
		title: "Java", oldest: 8, version: "8", answer: javaAnswer,
		question: []string{"-XshowSettings:properties", "-version"},
	},
}

// rank orders versions within a language as its runtime identifiers do.
func (i Interpreter) rank() int {
	if i.Language == Python || i.Language == Ruby {
		return i.number(0)*100 + i.number(1)
	}
	return i.number(0)
}

// inJSON reads the last line. Node's prefix is where its bin/ is.
func inJSON(output []byte) (told, error) {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	var t told
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &t); err != nil {
		return t, err
	}
	if t.Prefix == "" {
		t.Prefix = filepath.Dir(filepath.Dir(t.Program))
	}
	return t, nil
}

var (
	javaHome    = regexp.MustCompile(`(?m)^\s*java\.home = (.+?)\s*$`)
	javaVersion = regexp.MustCompile(`(?m)^\s*java\.version = (\S+)`)
)

// javaAnswer reads a JVM's properties. Debian keeps a JDK's configuration in
// /etc, behind links.
func javaAnswer(output []byte) (told, error) {
	home, version := javaHome.FindSubmatch(output), javaVersion.FindSubmatch(output)
	if home == nil || version == nil {
		return told{}, errors.New("it does not tell its home")
	}
	t := told{Version: javaNumber(string(version[1])), Prefix: string(home[1])}
	t.Program = filepath.Join(t.Prefix, "bin", "java")
	for _, name := range []string{"conf/logging.properties", "lib/jvm.cfg", "lib/logging.properties", "lib/security/java.security"} {
		target, err := filepath.EvalSymlinks(filepath.Join(t.Prefix, name))
		if rest, ok := strings.CutPrefix(target, "/etc/"); err == nil && ok {
			first, _, _ := strings.Cut(rest, "/")
			t.Further = append(t.Further, "/etc/"+first)
			break
		}
	}
	if _, err := os.Stat(t.Program); err != nil {
		return t, fmt.Errorf("no program in its home: %w", err)
	}
	return t, nil
}

// javaNumber makes 1.8.0_392 into 8.0.392.
func javaNumber(version string) string {
	version = strings.ReplaceAll(strings.TrimPrefix(version, "1."), "_", ".")
	number, _, _ := strings.Cut(version, "-")
	return number
}

// languageOf recognises node, nodejs, python3 and python3.N, ruby, ruby3.N, and
// java.
func languageOf(name string) Language {
	switch name {
	case "node", "nodejs":
		return Node
	case "ruby":
		return Ruby
	case "java":
		return Java
	}
	if rest, ok := strings.CutPrefix(name, "python3"); ok {
		minor, dotted := strings.CutPrefix(rest, ".")
		if _, err := strconv.Atoi(minor); rest == "" || (dotted && err == nil) {
			return Python
		}
	}
	if rest, ok := strings.CutPrefix(name, "ruby"); ok {
		if _, err := strconv.ParseFloat(rest, 32); err == nil {
			return Ruby
		}
	}
	return ""
}
