package settings

import (
	"strings"
	"unicode"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/ident"
)

const (
	symbols = "^$*.[]{}()?\"!@#%&/\\,><':;|_~`=+- "

	temporaryPasswordCharsMin = 12
)

// CheckPassword judges a password by the pool's policy.
func CheckPassword(p *api.PasswordPolicyType, password string) error {
	var upper, lower, digit, symbol bool
	for _, r := range password {
		switch {
		case r >= 'A' && r <= 'Z':
			upper = true
		case r >= 'a' && r <= 'z':
			lower = true
		case r >= '0' && r <= '9':
			digit = true
		case strings.ContainsRune(symbols, r):
			symbol = true
		}
	}
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{len([]rune(password)) < int(smithy.Val(p.MinimumLength)), "Password not long enough"},
		{smithy.Val(p.RequireUppercase) && !upper, "Password must have uppercase characters"},
		{smithy.Val(p.RequireLowercase) && !lower, "Password must have lowercase characters"},
		{smithy.Val(p.RequireNumbers) && !digit, "Password must have numeric characters"},
		{smithy.Val(p.RequireSymbols) && !symbol, "Password must have symbol characters"},
	} {
		if rule.broken {
			return api.ErrInvalidPasswordException("Password did not conform with policy: %s", rule.text)
		}
	}
	if strings.TrimFunc(password, unicode.IsSpace) != password {
		return api.ErrInvalidPasswordException("Password did not conform with policy: Password must not begin or end with a space")
	}
	return nil
}

// TemporaryPassword makes one that every policy accepts.
func TemporaryPassword(id *ident.Source, p *api.PasswordPolicyType) string {
	n := max(int(smithy.Val(p.MinimumLength)), temporaryPasswordCharsMin)
	// Characters that are easily mistaken for others are left out.
	required := id.Of("ABCDEFGHJKLMNPQRSTUVWXYZ", 1) + id.Of("abcdefghijkmnopqrstuvwxyz", 1) + id.Of("23456789", 1) + id.Of("!#%*+-=?@_", 1)
	rest := id.Of("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", n-len(required))
	all := []byte(required + rest)
	for i := len(all) - 1; i > 0; i-- {
		j := id.IntN(i + 1)
		all[i], all[j] = all[j], all[i]
	}
	return string(all)
}
