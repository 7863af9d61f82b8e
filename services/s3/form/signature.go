package form

import (
	"encoding/xml"
	"net/url"
	"strings"
	"time"

	"moln.dev/moln/aws/fault"
)

// algorithm is the only way to sign a form that S3's current regions know.
const algorithm = "AWS4-HMAC-SHA256"

// Signature is what a form says about who signed its policy.
type Signature struct {
	AccessKeyID, Token    string
	Date, Region, Service string // of the credential's scope
	Policy, Signature     string
}

// Signed reads who signed; nil: nobody, and there is no policy to keep to.
func (f *Form) Signed() (*Signature, error) {
	if f.Has("awsaccesskeyid") || f.Has("signature") {
		return nil, fault.New("InvalidRequest", 400, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	}
	named := []string{"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"}
	some := f.Has("x-amz-security-token")
	for _, name := range named {
		some = some || f.Has(name)
	}
	if !some {
		return nil, nil
	}
	for _, name := range named {
		if f.Get(name) == "" && (name != "policy" || !f.Has(name)) {
			return nil, ErrMissing(name)
		}
	}
	if v := f.Get("x-amz-algorithm"); v != algorithm {
		return nil, errArgument("X-Amz-Algorithm", v, "Only AWS4-HMAC-SHA256 is supported")
	}
	scope := strings.Split(f.Get("x-amz-credential"), "/")
	if len(scope) != 5 || scope[0] == "" || scope[3] != "s3" || scope[4] != "aws4_request" {
		return nil, errArgument("x-amz-credential", f.Get("x-amz-credential"), "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	}
	at, err := time.Parse("20060102T150405Z", f.Get("x-amz-date"))
	if err != nil || at.Format("20060102") != scope[1] {
		return nil, errArgument("X-Amz-Date", f.Get("x-amz-date"), "X-Amz-Date must be formated via ISO8601 Long format") // sic
	}
	return &Signature{
		AccessKeyID: scope[0], Token: f.Get("x-amz-security-token"), Date: scope[1], Region: scope[2], Service: scope[3],
		Policy: f.Get("policy"), Signature: f.Get("x-amz-signature"),
	}, nil
}

// Tagging gives the tags of the field tagging, which is a document, in the form
// of the header x-amz-tagging.
func (f *Form) Tagging() (string, error) {
	if f.Get("tagging") == "" {
		return "", nil
	}
	var doc struct {
		XMLName xml.Name                      `xml:"Tagging"`
		Tags    []struct{ Key, Value string } `xml:"TagSet>Tag"`
	}
	if err := xml.Unmarshal([]byte(f.Get("tagging")), &doc); err != nil {
		return "", fault.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
	}
	pairs := make([]string, 0, len(doc.Tags))
	for _, t := range doc.Tags {
		pairs = append(pairs, url.QueryEscape(t.Key)+"="+url.QueryEscape(t.Value))
	}
	return strings.Join(pairs, "&"), nil
}
