package settings

import (
	"testing"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
)

func TestPasswordPolicyTexts(t *testing.T) {
	yes := ptr(true)
	p := &api.PasswordPolicyType{MinimumLength: ptr(int32(8)), RequireLowercase: yes, RequireUppercase: yes, RequireNumbers: yes, RequireSymbols: yes}
	for password, want := range map[string]string{
		"aA1!":       "Password not long enough",
		"aaaaaaa1!":  "Password must have uppercase characters",
		"AAAAAAA1!":  "Password must have lowercase characters",
		"aaaaaaAA!":  "Password must have numeric characters",
		"aaaaaaAA1":  "Password must have symbol characters",
		"aaaaaAA1!":  "",
		" aaaaAA1! ": "Password must not begin or end with a space",
	} {
		err := CheckPassword(p, password)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != "InvalidPasswordException: Password did not conform with policy: "+want) {
			t.Errorf("%q: %v, want %q", password, err, want)
		}
	}
	id := ident.NewSeeded(1, clock.NewFake(time.Unix(0, 0)))
	for range 50 {
		if err := CheckPassword(p, TemporaryPassword(id, p)); err != nil {
			t.Fatal(err)
		}
	}
}
