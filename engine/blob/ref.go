package blob

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// idBytes is the length of a blob's id, as ident's Sortable makes it.
const idBytes = 26

// ErrRef: a text that is no Ref.
var ErrRef = errors.New("blob: malformed ref")

// Ref names a blob and says what it holds; it is what metadata keeps. It can
// be compared with ==.
type Ref struct {
	ID string
	// Size is how many bytes it holds.
	Size int64
	// Checksum is the CRC-64/NVME of all of them.
	Checksum uint64
}

// String returns the form that ParseRef reads.
func (r Ref) String() string {
	return fmt.Sprintf("%s.%x.%016x", r.ID, r.Size, r.Checksum)
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// ParseRef reads what String wrote, and nothing else.
func ParseRef(s string) (Ref, error) {
	id, rest, _ := strings.Cut(s, ".")
	size, sum, _ := strings.Cut(rest, ".")
	bytes, sizeErr := strconv.ParseInt(size, 16, 64)
	checksum, sumErr := strconv.ParseUint(sum, 16, 64)
	r := Ref{ID: id, Size: bytes, Checksum: checksum}
	if sizeErr != nil || sumErr != nil || !r.valid() || r.String() != s {
		return Ref{}, fmt.Errorf("%w: %.100q", ErrRef, s)
	}
	return r, nil
}

// MarshalText is String; a zero Ref is empty.
func (r Ref) MarshalText() ([]byte, error) {
	if r.IsZero() {
		return []byte{}, nil
	}
	return []byte(r.String()), nil
}

// UnmarshalText is ParseRef; empty is a zero Ref.
func (r *Ref) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = Ref{}
		return nil
	}
	parsed, err := ParseRef(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// valid keeps what comes from metadata from becoming a path.
func (r Ref) valid() bool { return validID(r.ID) && r.Size >= 0 && r.Size <= SizeMax }

func validID(id string) bool {
	return len(id) == idBytes && !strings.ContainsFunc(id, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z')
	})
}
