package lifecycle

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func rule(selection string) string {
	return `{"rules":[{"rulePriority":1,"selection":` + selection + `,"action":{"type":"expire"}}]}`
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ text, wrong string }{
		{rule(`{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":14}`), ""},
		{rule(`{"tagStatus":"tagged","tagPrefixList":["v"],"countType":"imageCountMoreThan","countNumber":1}`), ""},
		{rule(`{"tagStatus":"tagged","countType":"imageCountMoreThan","countNumber":1}`), "either"},
		{rule(`{"tagStatus":"any","tagPrefixList":["v"],"countType":"imageCountMoreThan","countNumber":1}`), "tagStatus tagged only"},
		{rule(`{"tagStatus":"x","countType":"imageCountMoreThan","countNumber":1}`), "tagStatus is"},
		{rule(`{"tagStatus":"any","countType":"x","countNumber":1}`), "countType is"},
		{rule(`{"tagStatus":"any","countType":"sinceImagePushed","countNumber":1}`), "countUnit"},
		{rule(`{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":0}`), "countNumber"},
		{rule(`{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1,"x":1}`), "unknown field"},
		{`{"rules":[]}`, "1 to 50"},
		{`x`, "JSON"},
		{strings.Replace(rule(`{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1}`), "expire", "transition", 1), "not supported"},
	} {
		_, err := Parse(tt.text)
		if (err == nil) != (tt.wrong == "") || (err != nil && !strings.Contains(err.Error(), tt.wrong)) {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.wrong)
		}
	}
}

func TestJudge(t *testing.T) {
	now := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
	days := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	images := []Image{
		{Digest: "a", Tags: []string{"v1", "prod"}, Pushed: days(30)}, {Digest: "b", Tags: []string{"v2"}, Pushed: days(20)},
		{Digest: "c", Pushed: days(10)}, {Digest: "d", Pushed: days(2)}, {Digest: "e", Tags: []string{"v3"}, Pushed: days(1), Pulled: days(1)},
	}
	for _, tt := range []struct {
		name string
		text string
		want []string
	}{
		{"old untagged", rule(`{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":5}`), []string{"c"}},
		{"all but two", rule(`{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":2}`), []string{"c", "b", "a"}},
		{"prefix", rule(`{"tagStatus":"tagged","tagPrefixList":["v"],"countType":"imageCountMoreThan","countNumber":1}`), []string{"b", "a"}},
		{"two prefixes", rule(`{"tagStatus":"tagged","tagPrefixList":["v","prod"],"countType":"sinceImagePushed","countUnit":"days","countNumber":5}`), []string{"a"}},
		{"pattern", rule(`{"tagStatus":"tagged","tagPatternList":["*2"],"countType":"sinceImagePushed","countUnit":"days","countNumber":5}`), []string{"b"}},
		{"a higher rule shields", `{"rules":[
			{"rulePriority":2,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}},
			{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPrefixList":["v"],"countType":"imageCountMoreThan","countNumber":9},"action":{"type":"expire"}}]}`, []string{"c"}},
		{"not pulled", rule(`{"tagStatus":"any","countType":"sinceImagePulled","countUnit":"days","countNumber":1}`), []string{"d", "c", "b", "a"}},
	} {
		p, err := Parse(tt.text)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []string
		for _, e := range p.Judge(images, now) {
			got = append(got, e.Digest)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, tag string
		want         bool
	}{
		{"v1", "v1", true}, {"v1", "v11", false}, {"v*", "v1", true}, {"*", "", true}, {"a*b*c", "axxbyyc", true}, {"a*b*c", "acb", false}, {"*x*", "x", true}, {"a*a", "a", false},
	} {
		if got := Match(tt.pattern, tt.tag); got != tt.want {
			t.Errorf("%s, %s: %v", tt.pattern, tt.tag, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(rule(`{"tagStatus":"tagged","tagPrefixList":["v"],"countType":"imageCountMoreThan","countNumber":1}`))
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := Parse(text); err == nil {
			images := []Image{{Digest: "a"}, {Digest: "b", Tags: []string{"v1"}}}
			if n := len(p.Judge(images, time.Unix(1e9, 0))); n > len(images) {
				t.Errorf("%d of %d expire", n, len(images))
			}
		}
	})
}
