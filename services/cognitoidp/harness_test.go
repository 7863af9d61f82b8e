package cognitoidp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/mail"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
)

const testPassword = "Correct-Horse-9"

var (
	start    = time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
	testKeys = sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
)

// outbox is a Sender that keeps messages, or fails.
type outbox struct {
	sent []mail.Message
	err  error
}

func (o *outbox) Send(_ context.Context, m mail.Message) error {
	if o.err == nil {
		o.sent = append(o.sent, m)
	}
	return o.err
}

// lambda answers triggers; nil handler echoes the event.
type lambda struct {
	events  []map[string]any
	handler func(event map[string]any) (functions.Response, error)
}

func (l *lambda) InvokeFunction(_ context.Context, req functions.Request) (functions.Response, error) {
	var e map[string]any
	if err := json.Unmarshal(req.Payload, &e); err != nil {
		return functions.Response{}, err
	}
	l.events = append(l.events, e)
	if l.handler != nil {
		return l.handler(e)
	}
	return functions.Response{Payload: req.Payload}, nil
}

// backend lets everything through and remembers extra checks.
type backend struct {
	judged []service.Check
	ops    map[string]service.Operation
	deny   bool
}

func (b *backend) Dispatch(ctx context.Context, c *service.Call, op smithy.Descriptor, in any) (any, error) {
	_, o := op.Of()
	return b.ops[o.Name].Call(ctx, c, in)
}

func (b *backend) Judge(_ context.Context, _ *service.Call, check service.Check) error {
	b.judged = append(b.judged, check)
	if b.deny {
		return fault.New("AccessDeniedException", 400, "denied")
	}
	return nil
}

func (b *backend) Assume(context.Context, *service.Call, service.Assume) (service.Session, error) {
	return service.Session{}, fault.New("AccessDenied", 403, "denied")
}

type harness struct {
	t       *testing.T
	s       *Service
	clk     *clock.Fake
	mail    *outbox
	lambda  *lambda
	backend *backend
	broker  *tokens.Broker
	def     service.Definition
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	clk := clock.NewFake(start)
	sealer, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, clk: clk, mail: &outbox{}, lambda: &lambda{}, backend: &backend{ops: map[string]service.Operation{}}, broker: new(tokens.Broker)}
	d := service.Deps{
		KV: kv.New(memkv.New()), Clock: clk, Ident: ident.NewSeeded(1, clk), Seal: sealer, Log: slog.New(slog.DiscardHandler), Functions: new(functions.Broker),
	}
	d.Functions.Bind(h.lambda)
	h.s = New(d, h.mail, h.broker)
	h.s.newKey = func() (*rsa.PrivateKey, error) { return testKeys(), nil }
	h.def = h.s.Definition()
	for _, op := range h.def.Operations {
		_, o := op.Of()
		h.backend.ops[o.Name] = op
	}
	return h
}

func (h *harness) call() *service.Call {
	return service.NewCall(h.backend, service.Call{
		Account: "000000000000", Region: "us-east-1", RequestID: "r", Now: h.clk.Now(), Log: slog.New(slog.DiscardHandler),
	})
}

// do calls an operation as the gateway does.
func do[In, Out any](h *harness, op smithy.Op[In, Out], in *In) (*Out, error) {
	h.t.Helper()
	_, o := op.Of()
	out, err := h.backend.ops[o.Name].Call(context.Background(), h.call(), in)
	if err != nil {
		return nil, err
	}
	return out.(*Out), nil
}

func must[In, Out any](h *harness, op smithy.Op[In, Out], in *In) *Out {
	h.t.Helper()
	out, err := do(h, op, in)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// refused expects a fault with a code and message.
func refused[In, Out any](h *harness, op smithy.Op[In, Out], in *In, code, message string) {
	h.t.Helper()
	_, err := do(h, op, in)
	f := fault.As(err)
	if f == nil || f.Code != code || message != "" && f.Message != message {
		_, o := op.Of()
		h.t.Errorf("%s: %v, want %s: %s", o.Name, err, code, message)
	}
}

// fixture is a pool with a client.
type fixture struct {
	*harness
	pool, client *string
}

func newFixture(t *testing.T, edit func(p *api.CreateUserPoolInput, c *api.CreateUserPoolClientInput)) *fixture {
	t.Helper()
	h := newHarness(t)
	p := &api.CreateUserPoolInput{PoolName: ptr("pool"), AutoVerifiedAttributes: []string{"email"}}
	c := &api.CreateUserPoolClientInput{
		ClientName:        ptr("web"),
		ExplicitAuthFlows: []string{"ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"},
	}
	if edit != nil {
		edit(p, c)
	}
	f := &fixture{harness: h, pool: must(h, api.CreateUserPool, p).UserPool.Id}
	c.UserPoolId = f.pool
	f.client = must(h, api.CreateUserPoolClient, c).UserPoolClient.ClientId
	return f
}

func jsonNumber(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

func attrs(pairs ...string) []api.AttributeType {
	var out []api.AttributeType
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, api.AttributeType{Name: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// lastCode is the code in the last mail.
func (h *harness) lastCode() string {
	h.t.Helper()
	if len(h.mail.sent) == 0 {
		h.t.Fatal("no mail was sent")
	}
	return sixDigits.FindString(h.mail.sent[len(h.mail.sent)-1].Text)
}

func wrong(code string) *string {
	w := "000000"
	if code == w {
		w = "000001"
	}
	return &w
}

// signUpConfirmed makes a confirmed user with testPassword.
func (f *fixture) signUpConfirmed(name string) *api.SignUpOutput {
	f.t.Helper()
	out := must(f.harness, api.SignUp, &api.SignUpInput{
		ClientId: f.client, Username: &name, Password: ptr(testPassword), UserAttributes: attrs("email", emailOf(name)),
	})
	must(f.harness, api.ConfirmSignUp, &api.ConfirmSignUpInput{ClientId: f.client, Username: &name, ConfirmationCode: ptr(f.lastCode())})
	return out
}

func emailOf(name string) string {
	if strings.Contains(name, "@") {
		return name
	}
	return name + "@example.com"
}

func (f *fixture) passwordAuth(name, password string) (*api.InitiateAuthOutput, error) {
	f.t.Helper()
	return do(f.harness, api.InitiateAuth, &api.InitiateAuthInput{
		ClientId: f.client, AuthFlow: ptr("USER_PASSWORD_AUTH"), AuthParameters: map[string]string{"USERNAME": name, "PASSWORD": password},
	})
}

func (f *fixture) mustSignIn(name, password string) *api.AuthenticationResultType {
	f.t.Helper()
	out, err := f.passwordAuth(name, password)
	if err != nil || out.AuthenticationResult == nil {
		f.t.Fatalf("sign in: %+v, %v", out, err)
	}
	return out.AuthenticationResult
}

// srpClient is a client of its own, written from the public description: it
// shares nothing with package srp.
type srpClient struct {
	n, g, a, public *big.Int
}

func newSRPClient(t *testing.T) *srpClient {
	t.Helper()
	n, ok := new(big.Int).SetString(primeForTest, 16)
	if !ok {
		t.Fatal("prime")
	}
	raw := make([]byte, 128)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	c := &srpClient{n: n, g: big.NewInt(2), a: new(big.Int).SetBytes(raw)}
	c.public = new(big.Int).Exp(c.g, c.a, n)
	return c
}

func digest(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func padded(x *big.Int) []byte {
	b := x.Bytes()
	if len(b) == 0 || b[0] > 127 {
		b = append([]byte{0}, b...)
	}
	return b
}

func macOf(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// answer computes the responses to PASSWORD_VERIFIER.
func (c *srpClient) answer(t *testing.T, poolID, password string, p map[string]string, now time.Time) map[string]string {
	t.Helper()
	_, poolName, _ := strings.Cut(poolID, "_")
	salt, ok1 := new(big.Int).SetString(p["SALT"], 16)
	b, ok2 := new(big.Int).SetString(p["SRP_B"], 16)
	block, err := base64.StdEncoding.DecodeString(p["SECRET_BLOCK"])
	if !ok1 || !ok2 || err != nil {
		t.Fatalf("challenge %v", p)
	}
	u := new(big.Int).SetBytes(digest(padded(c.public), padded(b)))
	k := new(big.Int).SetBytes(digest(padded(c.n), padded(c.g)))
	x := new(big.Int).SetBytes(digest(padded(salt), digest([]byte(poolName+p["USER_ID_FOR_SRP"]+":"+password))))
	base := new(big.Int).Exp(c.g, x, c.n)
	base.Sub(b, base.Mul(base, k)).Mod(base, c.n)
	s := base.Exp(base, new(big.Int).Add(c.a, new(big.Int).Mul(u, x)), c.n)
	key := macOf(macOf(padded(u), padded(s)), []byte("Caldera Derived Key\x01"))[:16]
	ts := now.UTC().Format("Mon Jan 2 15:04:05 MST 2006")
	sig := macOf(key, []byte(poolName), []byte(p["USER_ID_FOR_SRP"]), block, []byte(ts))
	return map[string]string{
		"USERNAME": p["USERNAME"], "PASSWORD_CLAIM_SECRET_BLOCK": p["SECRET_BLOCK"], "TIMESTAMP": ts,
		"PASSWORD_CLAIM_SIGNATURE": base64.StdEncoding.EncodeToString(sig),
	}
}

// srpStart sends SRP_A.
func (f *fixture) srpStart(c *srpClient, name string) (*api.InitiateAuthOutput, error) {
	return do(f.harness, api.InitiateAuth, &api.InitiateAuthInput{
		ClientId: f.client, AuthFlow: ptr("USER_SRP_AUTH"), AuthParameters: map[string]string{"USERNAME": name, "SRP_A": c.public.Text(16)},
	})
}

func (f *fixture) srpAuth(name, password string) (*api.RespondToAuthChallengeOutput, error) {
	f.t.Helper()
	c := newSRPClient(f.t)
	first, err := f.srpStart(c, name)
	if err != nil {
		return nil, err
	}
	return do(f.harness, api.RespondToAuthChallenge, &api.RespondToAuthChallengeInput{
		ClientId: f.client, ChallengeName: first.ChallengeName,
		ChallengeResponses: c.answer(f.t, *f.pool, password, first.ChallengeParameters, f.clk.Now()),
	})
}

const primeForTest = "" +
	"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437" +
	"4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05" +
	"98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B" +
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33" +
	"A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864" +
	"D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF"
