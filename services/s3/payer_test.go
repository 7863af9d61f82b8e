package s3

import (
	"net/http/httptest"
	"testing"

	"moln.dev/moln/services/s3/grant"
)

// In a bucket whose requesters pay, callers of other accounts must say that they
// will, and nobody comes in without a name.
func TestRequesterPays(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Writer)
	g.open("mine", grant.Writer)
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/k", body: "x"})
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box/k?acl", header: []string{"X-Amz-Acl", "public-read"}})
	g.want(200, "", request{who: "owner", method: "PUT", target: "/box?acl", header: []string{"X-Amz-Acl", "public-read-write"}})
	g.want(200, "", request{who: "owner", method: "PUT", target: "/mine?acl", header: []string{"X-Amz-Acl", "public-read-write"}})
	pay := func(payer string) request {
		return request{who: "owner", method: "PUT", target: "/box?requestPayment", body: "<RequestPaymentConfiguration><Payer>" + payer + "</Payer></RequestPaymentConfiguration>"}
	}
	g.want(400, "MalformedXML", pay("Nobody"))
	g.want(200, "", pay("Requester"))

	offer := []string{"X-Amz-Request-Payer", "requester"}
	source := []string{"X-Amz-Copy-Source", "/box/k"}
	for _, tt := range []struct {
		name    string
		q       request
		status  int
		charged string
	}{
		{"owner", request{who: "owner", method: "GET", target: "/box/k"}, 200, ""},
		{"owner offers", request{who: "owner", method: "GET", target: "/box/k", header: offer}, 200, ""},
		{"same account", request{who: "bob", method: "GET", target: "/box/k"}, 200, ""},
		{"other account", request{who: "other", method: "GET", target: "/box/k"}, 403, ""},
		{"other account offers", request{who: "other", method: "GET", target: "/box/k", header: offer}, 200, "requester"},
		{"other word", request{who: "other", method: "GET", target: "/box/k", header: []string{"X-Amz-Request-Payer", "owner"}}, 400, ""},
		{"head", request{who: "eve", method: "HEAD", target: "/box/k"}, 403, ""},
		{"list", request{who: "eve", method: "GET", target: "/box?list-type=2"}, 403, ""},
		{"list offers", request{who: "eve", method: "GET", target: "/box?list-type=2", header: offer}, 200, "requester"},
		{"put", request{who: "eve", method: "PUT", target: "/box/new", body: "y"}, 403, ""},
		{"put offers", request{who: "eve", method: "PUT", target: "/box/new", body: "y", header: offer}, 200, "requester"},
		{"delete many", request{who: "eve", method: "POST", target: "/box?delete", body: "<Delete><Object><Key>k</Key></Object></Delete>"}, 403, ""},
		{"copy from it", request{who: "eve", method: "PUT", target: "/mine/copy", header: source}, 403, ""},
		{"copy from it offers", request{who: "eve", method: "PUT", target: "/mine/copy", header: append(source, offer...)}, 200, ""},
		{"nobody", request{method: "GET", target: "/box/k"}, 403, ""},
		{"nobody offers", request{method: "GET", target: "/box/k", header: offer}, 403, ""},
		{"refused for another reason", request{who: "other", method: "GET", target: "/box/k?acl", header: offer}, 403, ""},
	} {
		rec := httptest.NewRecorder()
		g.h.ServeHTTP(rec, g.http(tt.q))
		if got := rec.Header().Get("X-Amz-Request-Charged"); rec.Code != tt.status || got != tt.charged {
			t.Errorf("%s: %d, charged %q, want %d, %q: %s", tt.name, rec.Code, got, tt.status, tt.charged, rec.Body)
		}
	}

	g.want(200, "", pay("BucketOwner"))
	g.want(200, "x", request{method: "GET", target: "/box/k"})
}

func TestAcceleration(t *testing.T) {
	g := newGate(t)
	g.open("box", grant.Writer)
	set := func(status string) request {
		return request{who: "owner", method: "PUT", target: "/box?accelerate", body: "<AccelerateConfiguration><Status>" + status + "</Status></AccelerateConfiguration>"}
	}
	g.want(501, "NotImplemented", set("Enabled"))
	g.want(400, "MalformedXML", set("Fast"))
	g.want(200, "", set("Suspended"))
}
