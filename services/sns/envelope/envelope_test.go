package envelope

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"
)

func TestToSign(t *testing.T) {
	m := &Message{Type: Notification, ID: "id", TopicARN: "arn", Text: "text", Timestamp: "time"}
	if got, want := m.toSign(), "Message\ntext\nMessageId\nid\nTimestamp\ntime\nTopicArn\narn\nType\nNotification\n"; got != want {
		t.Errorf("%q", got)
	}
	m.Subject = "s"
	if got, want := m.toSign(), "Message\ntext\nMessageId\nid\nSubject\ns\nTimestamp\ntime\nTopicArn\narn\nType\nNotification\n"; got != want {
		t.Errorf("%q", got)
	}
	m = &Message{Type: SubscriptionConfirmation, ID: "id", TopicARN: "arn", Text: "text", Timestamp: "time", Token: "tok", SubscribeURL: "url"}
	if got, want := m.toSign(), "Message\ntext\nMessageId\nid\nSubscribeURL\nurl\nTimestamp\ntime\nToken\ntok\nTopicArn\narn\nType\nSubscriptionConfirmation\n"; got != want {
		t.Errorf("%q", got)
	}
}

func TestJSON(t *testing.T) {
	m := &Message{
		Type: Notification, ID: "id", TopicARN: "arn", Subject: "s", Text: "a \"<ü>\"\n", Timestamp: "time", Version: "1", Signature: "sig", CertURL: "cert", UnsubscribeURL: "u&v",
		Attributes: map[string]Attribute{"b": {Type: "Binary", Binary: []byte{2, 3, 4}}, "a": {Type: "String", Text: "x"}},
	}
	want := `{
  "Type" : "Notification",
  "MessageId" : "id",
  "TopicArn" : "arn",
  "Subject" : "s",
  "Message" : "a \"<ü>\"\n",
  "Timestamp" : "time",
  "SignatureVersion" : "1",
  "Signature" : "sig",
  "SigningCertURL" : "cert",
  "UnsubscribeURL" : "u&v",
  "MessageAttributes" : {
    "a" : {"Type":"String","Value":"x"},
    "b" : {"Type":"Binary","Value":"AgME"}
  }
}`
	if got := string(m.JSON()); got != want {
		t.Error(got)
	}
	event, err := m.Event("sub")
	if want := `{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":"sub","Sns":{"Type":"Notification","MessageId":"id","TopicArn":"arn","Subject":"s","Message":"a \"<ü>\"\n","Timestamp":"time","SignatureVersion":"1","Signature":"sig","SigningCertUrl":"cert","UnsubscribeUrl":"u&v","MessageAttributes":{"a":{"Type":"String","Value":"x"},"b":{"Type":"Binary","Value":"AgME"}}}}]}`; err != nil || string(event) != want {
		t.Error(err, string(event))
	}
}

func TestSign(t *testing.T) {
	private, certificate, err := NewKey([]byte{1}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	key, err := OpenKey(private, certificate)
	if err != nil {
		t.Fatal(err)
	}
	m := &Message{Type: Notification, ID: "id", Text: "text", Version: "1"}
	if err := key.Sign(m); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(key.Certificate())
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum([]byte(m.toSign()))
	if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA1, sum[:], signature); err != nil {
		t.Error(err)
	}
	m.Version = "3"
	if key.Sign(m) == nil {
		t.Error("a version that there is not")
	}
}

// What the documents say is what the message is, whatever its characters.
func FuzzJSON(f *testing.F) {
	f.Add("text", "subject", "name", "value")
	f.Add("\u2028<\x00\"", "ä", "a.b", "\\")
	f.Fuzz(func(t *testing.T, text, subject, name, value string) {
		m := &Message{Type: Notification, Text: text, Subject: subject, Attributes: map[string]Attribute{name: {Type: "String", Text: value}}}
		var got struct {
			Message, Subject  string
			MessageAttributes map[string]struct{ Value string }
		}
		valid := func(s string) string { b, _ := json.Marshal(s); var out string; json.Unmarshal(b, &out); return out }
		if err := json.Unmarshal(m.JSON(), &got); err != nil || got.Message != valid(text) || got.Subject != valid(subject) || got.MessageAttributes[valid(name)].Value != valid(value) {
			t.Errorf("%v: %s", err, m.JSON())
		}
	})
}
