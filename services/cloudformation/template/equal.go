package template

// Equal compares two values as CloudFormation does: scalars by their text, so
// that "5" and 5 are the same.
func Equal(a, b any) bool {
	if ta, ok := Text(a); ok {
		tb, ok := Text(b)
		return ok && ta == tb
	}
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case nil:
		return b == nil
	}
	// Unknown is equal to nothing, itself included.
	return false
}
