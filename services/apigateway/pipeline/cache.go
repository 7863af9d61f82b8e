package pipeline

import (
	"sync"
	"time"
)

// verdictsMax bounds how many verdicts one node remembers.
const verdictsMax = 10_000

// AuthCache remembers what Lambda authorizers said. The zero value is ready and
// safe for concurrent use; nil remembers nothing.
type AuthCache struct {
	mu       sync.Mutex
	verdicts map[string]*verdict
}

func (c *AuthCache) get(key string, now time.Time) *verdict {
	if c == nil || key == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.verdicts[key]
	if v == nil || !now.Before(v.expires) {
		return nil
	}
	return v
}

// put drops other verdicts when it is full, whichever come first.
func (c *AuthCache) put(key string, v *verdict) {
	if c == nil || key == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verdicts == nil {
		c.verdicts = map[string]*verdict{}
	}
	for old := range c.verdicts {
		if len(c.verdicts) < verdictsMax {
			break
		}
		delete(c.verdicts, old)
	}
	c.verdicts[key] = v
}
