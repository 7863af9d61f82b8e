package template

import (
	"math/big"
	"net/netip"
	"strconv"
)

const (
	maxCidrCount    = 256
	defaultCidrBits = 8
)

// cidr is Fn::Cidr: count consecutive blocks of the given host bits inside a
// block.
func cidr(_ *Evaluator, arg any) (any, error) {
	args, _ := arg.([]any)
	if len(args) != 2 && len(args) != 3 {
		return nil, errorf("Template error: every Fn::Cidr object requires two or three parameters, the ipBlock, the count and the cidrBits")
	}
	block, _ := args[0].(string)
	prefix, err := netip.ParsePrefix(block)
	if err != nil {
		return nil, errorf("Template error: %s is not a valid CIDR block", Display(args[0]))
	}
	count, err := cidrInt(args[1], 1, maxCidrCount)
	if err != nil {
		return nil, err
	}
	bits := defaultCidrBits
	if len(args) == 3 {
		if bits, err = cidrInt(args[2], 1, prefix.Addr().BitLen()); err != nil {
			return nil, err
		}
	}
	return blocks(prefix.Masked(), count, bits)
}

func cidrInt(v any, low, high int) (int, error) {
	s, _ := Text(v)
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, errorf("Template error: %s is not between %d and %d in Fn::Cidr", Display(v), low, high)
	}
	return n, nil
}

func blocks(prefix netip.Prefix, count, bits int) (any, error) {
	size := prefix.Addr().BitLen() - bits
	if size < prefix.Bits() || (size-prefix.Bits() < 30 && count > 1<<(size-prefix.Bits())) {
		return nil, errorf("Template error: Fn::Cidr cannot fit %d blocks of %d bits into %s", count, bits, prefix)
	}
	next := new(big.Int).SetBytes(prefix.Addr().AsSlice())
	step := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	out := []any{}
	for range count {
		raw := next.FillBytes(make([]byte, prefix.Addr().BitLen()/8))
		addr, _ := netip.AddrFromSlice(raw)
		out = append(out, netip.PrefixFrom(addr, size).String())
		next.Add(next, step)
	}
	return out, nil
}
