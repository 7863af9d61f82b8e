package dynamodb

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	api "moln.dev/moln/api/dynamodb"
)

// TestAgainstModel writes and reads at random and compares with a map.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		must(b, api.CreateTable, tableInput())
		type key struct {
			id string
			at int
		}
		model := map[key]string{} // who; "" for none
		ids := rapid.SampledFrom([]string{"a", "b", "c\x00d"})
		ats := rapid.IntRange(-3, 3)
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				k := key{ids.Draw(rt, "id"), ats.Draw(rt, "at")}
				item := avs{"id": str(k.id), "at": num(strconv.Itoa(k.at))}
				model[k] = rapid.SampledFrom([]string{"", "x", "y"}).Draw(rt, "who")
				if model[k] != "" {
					item["who"] = str(model[k])
				}
				put(b, item)
			},
			"delete": func(rt *rapid.T) {
				k := key{ids.Draw(rt, "id"), ats.Draw(rt, "at")}
				out := must(b, api.DeleteItem, &api.DeleteItemInput{
					TableName: new("notes"), Key: avs{"id": str(k.id), "at": num(strconv.Itoa(k.at))}, ReturnValues: new("ALL_OLD"),
				})
				if _, had := model[k]; had != (out.Attributes != nil) {
					rt.Fatalf("deleting %v found %v", k, out.Attributes)
				}
				delete(model, k)
			},
			"query": func(rt *rapid.T) {
				id, low := ids.Draw(rt, "id"), ats.Draw(rt, "low")
				forward := rapid.Bool().Draw(rt, "forward")
				in := &api.QueryInput{
					TableName: new("notes"), KeyConditionExpression: new("id = :i AND #at >= :l"), ScanIndexForward: &forward,
					ExpressionAttributeNames:  map[string]string{"#at": "at"},
					ExpressionAttributeValues: avs{":i": str(id), ":l": num(strconv.Itoa(low))}, Limit: new(int32(rapid.IntRange(1, 4).Draw(rt, "limit"))),
				}
				var want []int
				for k := range model {
					if k.id == id && k.at >= low {
						want = append(want, k.at)
					}
				}
				slices.SortFunc(want, func(a, b int) int {
					if forward {
						return cmp.Compare(a, b)
					}
					return cmp.Compare(b, a)
				})
				if got := pages(b, in, "at"); fmt.Sprint(got) != fmt.Sprint(want) {
					rt.Fatalf("got %v, want %v", got, want)
				}
			},
			"index": func(rt *rapid.T) {
				who := rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "who")
				in := &api.QueryInput{
					TableName: new("notes"), IndexName: new("by-who"), KeyConditionExpression: new("who = :w"),
					ExpressionAttributeValues: avs{":w": str(who)}, Limit: new(int32(2)),
				}
				var want []int
				for k, w := range model {
					if w == who {
						want = append(want, k.at)
					}
				}
				slices.Sort(want)
				if got := pages(b, in, "at"); fmt.Sprint(got) != fmt.Sprint(want) {
					rt.Fatalf("got %v, want %v", got, want)
				}
			},
		})
	})
}

// pages reads all pages of a query and gives a numeric attribute of each item.
func pages(b *bench, in *api.QueryInput, name string) []int {
	var got []int
	for {
		out := must(b, api.Query, in)
		for _, it := range out.Items {
			n, err := strconv.Atoi(*it[name].N)
			if err != nil {
				b.t.Fatal(err)
			}
			got = append(got, n)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
			return got
		}
	}
}
