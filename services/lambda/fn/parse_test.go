package fn

import (
	"strings"
	"testing"

	"moln.dev/moln/aws/policy"
)

var here = Place{"123456789012", "eu-west-1"}

func TestParseLayerVersion(t *testing.T) {
	for text, want := range map[string]LayerRef{
		"arn:aws:lambda:eu-west-1:123456789012:layer:lib:7":  {here, "lib", 7},
		"arn:aws:lambda:eu-west-1:123456789012:layer:lib":    {},
		"arn:aws:lambda:eu-west-1:123456789012:layer:lib:0":  {},
		"arn:aws:lambda:eu-west-1:123456789012:layer:l.b:1":  {},
		"arn:aws:lambda:eu-west-1:123456789012:layer:lib:-1": {},
		"arn:aws:lambda:::awslayer:lib":                      {},
		"lib:1":                                              {},
	} {
		if got, ok := ParseLayerVersion(text); got != want && ok || ok != (want.Name != "") {
			t.Errorf("%s: %+v, %v", text, got, ok)
		}
	}
}

func FuzzParseLayerVersion(f *testing.F) {
	f.Add("arn:aws:lambda:eu-west-1:123456789012:layer:lib:7")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := ParseLayerVersion(text)
		if !ok {
			return
		}
		if again, ok := ParseLayerVersion(r.ARN()); !ok || again != r {
			t.Errorf("%q becomes %s", text, r.ARN())
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	r := At(here, "f", "")
	f.Add(`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction","Resource":"` + r.ARN() + `"}]}`)
	f.Add(`{"Statement":{"Effect":"Deny","Principal":{"AWS":"123456789012"},"Action":["lambda:*"],"Resource":["` + r.ARN() + `"]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePolicy(r, text)
		if err != nil {
			return
		}
		doc, err := p.Document()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := policy.Parse(doc, policy.Resource); err != nil {
			t.Errorf("%s becomes %s: %v", text, doc, err)
		}
		if strings.Contains(string(doc), "NotResource") {
			t.Errorf("%s is about something else", doc)
		}
	})
}

func TestMergedSum(t *testing.T) {
	a, b := LayerUse{Code: Code{SHA256: "a"}}, LayerUse{Code: Code{SHA256: "b"}}
	sum := func(uses ...LayerUse) string { return (&Config{Layers: uses}).MergedSum() }
	if sum() != "" || sum(a) != "" || sum(a, b) == "" || sum(a, b) == sum(b, a) || sum(a, b) != sum(a, b) {
		t.Error(sum(a, b), sum(b, a))
	}
}
