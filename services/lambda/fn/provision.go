package fn

import (
	"context"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// provisionKey is in the list of functions with provisioned concurrency.
func (p Place) provisionKey(name string) []byte {
	return tuple.Key("provisioned", p.Account, p.Region, name)
}

// SetProvision sets what is to be ready for a qualifier of a function that was
// loaded in tx and will be stored, nil for nothing, and keeps the list of functions
// that have any.
func SetProvision(tx *kv.Tx, r Ref, f *Function, qualifier string, p *Provision) error {
	if p == nil {
		delete(f.Provisioned, qualifier)
	} else {
		if f.Provisioned == nil {
			f.Provisioned = map[string]Provision{}
		}
		f.Provisioned[qualifier] = *p
	}
	if len(f.Provisioned) == 0 {
		return tx.Delete(r.provisionKey(r.Name))
	}
	return tx.Put(r.provisionKey(r.Name), nil)
}

// dropProvision removes a qualifier's provisioned concurrency with the qualifier.
func dropProvision(tx *kv.Tx, r Ref, qualifier string) error {
	f, err := LoadFunction(tx.Get, r)
	if err != nil {
		return err
	}
	if _, ok := f.Provisioned[qualifier]; !ok {
		return nil
	}
	if err := SetProvision(tx, r, f, qualifier, nil); err != nil {
		return err
	}
	return Write(tx, r.FunctionKey(r.Name), f)
}

// DeleteAlias removes an alias with everything that belongs to it. One that is
// gone is no error; a function that is, is.
func (s Store) DeleteAlias(ctx context.Context, r Ref, name string) error {
	return s.DB.Update(ctx, func(tx *kv.Tx) error {
		if err := dropProvision(tx, r, name); err != nil {
			return err
		}
		if err := DropURL(tx, At(r.Place, r.Name, name)); err != nil {
			return err
		}
		for _, key := range [][]byte{r.AliasKey(r.Name, name), r.PolicyKey(r.Name, name), r.EventKey(r.Name, name)} {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		return nil
	}, r.FunctionKey(r.Name))
}

// ProvisionedFunctions lists the functions, of all accounts, that have provisioned
// concurrency.
func (s Store) ProvisionedFunctions(ctx context.Context) (list []Ref, err error) {
	base := tuple.Key("provisioned")
	err = s.DB.Each(ctx, kv.Prefix(base), func(it kv.Item) (bool, error) {
		rest := it.Key[len(base):]
		var parts [3]string
		for i := range parts {
			var err error
			if parts[i], rest, err = tuple.DecodeString(rest); err != nil {
				return false, err
			}
		}
		list = append(list, At(Place{Account: parts[0], Region: parts[1]}, parts[2], ""))
		return true, nil
	})
	return list, err
}
