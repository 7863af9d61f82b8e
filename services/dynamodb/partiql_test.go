package dynamodb

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

func newStatements(t *testing.T) *bench {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	return b
}

// run executes one statement and writes its items as text.
func run(b *bench, statement string, params ...av) (string, error) {
	b.t.Helper()
	in := &api.ExecuteStatementInput{Statement: &statement}
	if len(params) > 0 {
		in.Parameters = params
	}
	out, err := call(b, api.ExecuteStatement, in)
	if err != nil {
		return "", err
	}
	return shown(out.Items), nil
}

func shown(items []avs) string {
	lines := make([]string, len(items))
	for i, m := range items {
		var parts []string
		for _, n := range sortedNames(m) {
			parts = append(parts, n+"="+scalar(m[n]))
		}
		lines[i] = strings.Join(parts, " ")
	}
	return strings.Join(lines, "; ")
}

func TestSelect(t *testing.T) {
	b := newStatements(t)
	for _, id := range []string{"a", "b"} {
		for i := range 3 {
			put(b, avs{"id": str(id), "at": num(fmt.Sprint(i)), "who": str("me"), "m": {M: avs{"x": {L: []av{str("deep"), str(fmt.Sprint(i))}}}}})
		}
	}
	tests := []struct {
		statement string
		params    []av
		want      string
	}{
		{`SELECT at FROM notes WHERE id = 'a'`, nil, "at=0; at=1; at=2"},
		{`SELECT at FROM notes WHERE id = ? AND at >= ? ORDER BY at DESC`, []av{str("a"), num("1")}, "at=2; at=1"},
		{`SELECT id, at FROM notes WHERE id IN ['b', 'a'] AND at = 1 ORDER BY id ASC`, nil, "at=1 id=a; at=1 id=b"},
		{`SELECT at, m.x[1] FROM notes WHERE id = 'a' AND m.x[1] <> '1'`, nil, "_2=0 at=0; _2=2 at=2"},
		{`SELECT id, at FROM notes."by-who" WHERE who = 'me' AND at = 2`, nil, "at=2 id=a; at=2 id=b"},
		{`SELECT at FROM notes WHERE id = 'b' AND at = 1`, nil, "at=1"},
		{`SELECT * FROM notes WHERE id = 'c'`, nil, ""},
	}
	for _, tt := range tests {
		got, err := run(b, tt.statement, tt.params...)
		if err != nil || got != tt.want && !sameSet(got, tt.want) {
			t.Errorf("%s: %q %v; want %q", tt.statement, got, err, tt.want)
		}
		if strings.Contains(tt.statement, "ORDER BY") && got != tt.want {
			t.Errorf("%s: %q; want %q in order", tt.statement, got, tt.want)
		}
	}
	for statement, want := range map[string]string{
		`SELECT * FROM other WHERE id = 'a'`:          "ResourceNotFoundException",
		`SELECT * FROM notes.nope WHERE id = 'a'`:     "ValidationException",
		`SELECT m FROM notes."by-who" WHERE who = ''`: "ValidationException",
		`EXISTS(SELECT * FROM notes WHERE id = 'a')`:  "ValidationException",
	} {
		if got, err := run(b, statement); !fault.Is(err, want) {
			t.Errorf("%s: %q %v", statement, got, err)
		}
	}
}

func sameSet(a, b string) bool {
	count := map[string]int{}
	for _, s := range strings.Split(a, "; ") {
		count[s]++
	}
	for _, s := range strings.Split(b, "; ") {
		count[s]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestSelectPages(t *testing.T) {
	b := newStatements(t)
	for _, id := range []string{"a", "b", "c"} {
		for i := range 4 {
			put(b, avs{"id": str(id), "at": num(fmt.Sprint(i))})
		}
	}
	for _, statement := range []string{`SELECT * FROM notes`, `SELECT * FROM notes WHERE id IN ['a', 'b', 'c']`, `SELECT * FROM notes WHERE id IN ['c', 'b', 'a'] ORDER BY id, at DESC`} {
		for limit := int32(1); limit < 14; limit++ {
			in := &api.ExecuteStatementInput{Statement: &statement, Limit: &limit}
			seen := map[string]bool{}
			for pages := 0; pages == 0 || in.NextToken != nil; pages++ {
				out := must(b, api.ExecuteStatement, in)
				if len(out.Items) > int(limit) || pages > 13 {
					t.Fatalf("%s by %d: %d items on page %d", statement, limit, len(out.Items), pages)
				}
				for _, m := range out.Items {
					key := shown([]avs{m})
					if seen[key] {
						t.Errorf("%s by %d: %s twice", statement, limit, key)
					}
					seen[key] = true
				}
				in.NextToken = out.NextToken
			}
			if len(seen) != 12 {
				t.Errorf("%s by %d: %d items", statement, limit, len(seen))
			}
		}
	}
	first := must(b, api.ExecuteStatement, &api.ExecuteStatementInput{Statement: new("SELECT * FROM notes"), Limit: new(int32(1))})
	_, err := call(b, api.ExecuteStatement, &api.ExecuteStatementInput{Statement: new("SELECT * FROM notes WHERE id = 'a'"), NextToken: first.NextToken})
	if !fault.Is(err, "ValidationException") {
		t.Errorf("another statement's token: %v", err)
	}
}

func TestStatementsWrite(t *testing.T) {
	b := newStatements(t)
	const key = ` WHERE id = 'a' AND at = 1`
	for _, tt := range []struct{ statement, want, code string }{
		{`UPDATE notes SET n = 1` + key, "", "ConditionalCheckFailedException"},
		{`DELETE FROM notes` + key + ` AND n = 9 RETURNING ALL OLD *`, "", ""},
		{`INSERT INTO notes VALUE {'id': 'a', 'at': 1, 'n': 1}`, "", ""},
		{`INSERT INTO notes VALUE {'id': 'a', 'at': 1, 'n': 2}`, "", "DuplicateItemException"},
		{`INSERT INTO notes VALUE {'id': 'a'}`, "", "ValidationException"},
		{`INSERT INTO notes VALUE {'id': 'z', 'at': 1, 'who': 7}`, "", "ValidationException"},
		{`UPDATE notes SET n = n + 4, t = 'x'` + key + ` RETURNING MODIFIED NEW *`, "n=5 t=x", ""},
		{`UPDATE notes SET n = 7` + key + ` AND n = 5 RETURNING MODIFIED OLD *`, "n=5", ""},
		{`UPDATE notes SET n = 8` + key + ` AND n = 5`, "", "ConditionalCheckFailedException"},
		{`UPDATE notes REMOVE t` + key + ` RETURNING MODIFIED NEW *`, "", ""},
		{`UPDATE notes SET id = 'b'` + key, "", "ValidationException"},
		{`UPDATE notes SET n = 8 WHERE id = 'a'`, "", "ValidationException"},
		{`UPDATE notes SET l[0] = 8` + key, "", "ValidationException"},
		{`UPDATE notes SET who = 'me'` + key + ` RETURNING ALL NEW *`, "at=1 id=a n=7 who=me", ""},
		{`SELECT id FROM notes."by-who" WHERE who = 'me'`, "id=a", ""},
		{`DELETE FROM notes` + key + ` AND n = 8`, "", "ConditionalCheckFailedException"},
		{`DELETE FROM notes` + key + ` RETURNING ALL OLD *`, "at=1 id=a n=7 who=me", ""},
		{`SELECT id FROM notes."by-who" WHERE who = 'me'`, "", ""},
	} {
		got, err := run(b, tt.statement)
		if tt.code != "" && !fault.Is(err, tt.code) || tt.code == "" && err != nil || got != tt.want {
			t.Errorf("%s: %q %v; want %q %s", tt.statement, got, err, tt.want, tt.code)
		}
	}
}

func TestStatementBatches(t *testing.T) {
	b := newStatements(t)
	batch := func(statements ...string) ([]string, error) {
		in := &api.BatchExecuteStatementInput{}
		for _, q := range statements {
			in.Statements = append(in.Statements, api.BatchStatementRequest{Statement: &q})
		}
		out, err := call(b, api.BatchExecuteStatement, in)
		if err != nil {
			return nil, err
		}
		var got []string
		for _, r := range out.Responses {
			if r.Error != nil {
				got = append(got, *r.Error.Code)
				continue
			}
			got = append(got, shown([]avs{r.Item}))
		}
		return got, nil
	}
	for _, tt := range []struct{ statements, want []string }{
		{
			[]string{`INSERT INTO notes VALUE {'id': 'a', 'at': 1}`, `INSERT INTO notes VALUE {'id': 'a', 'at': 1}`, `INSERT nonsense`, `DELETE FROM nope WHERE id = 1`, `UPDATE notes SET n = 1 WHERE id = 'b' AND at = 1`},
			[]string{"", "DuplicateItem", "ValidationError", "ResourceNotFound", "ConditionalCheckFailed"},
		},
		{
			[]string{`SELECT * FROM notes WHERE id = 'a' AND at = 1`, `SELECT * FROM notes WHERE id = 'a' AND at = 2`, `SELECT * FROM notes WHERE id = 'a'`},
			[]string{"at=1 id=a", "", "ValidationError"},
		},
	} {
		got, err := batch(tt.statements...)
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Error(d, err)
		}
	}
	if _, err := batch(`SELECT * FROM notes WHERE id = 'a' AND at = 1`, `DELETE FROM notes WHERE id = 'a' AND at = 1`); !fault.Is(err, "ValidationException") {
		t.Errorf("reads and writes: %v", err)
	}
}

func TestStatementTransactions(t *testing.T) {
	b := newStatements(t)
	transact := func(token *string, statements ...string) (string, error) {
		in := &api.ExecuteTransactionInput{ClientRequestToken: token}
		for _, q := range statements {
			in.TransactStatements = append(in.TransactStatements, api.ParameterizedStatement{Statement: &q})
		}
		out, err := call(b, api.ExecuteTransaction, in)
		if err != nil {
			return "", err
		}
		items := make([]avs, len(out.Responses))
		for i, r := range out.Responses {
			items[i] = r.Item
		}
		return shown(items), nil
	}
	insert := func(id string) string { return `INSERT INTO notes VALUE {'id': '` + id + `', 'at': 1, 'n': 1}` }
	if _, err := transact(nil, insert("a"), insert("b")); err != nil {
		t.Fatal(err)
	}
	_, err := transact(nil, insert("c"), insert("a"))
	if !fault.Is(err, "TransactionCanceledException") || !strings.Contains(err.Error(), "[None, DuplicateItem]") {
		t.Errorf("duplicate: %v", err)
	}
	_, err = transact(nil, insert("c"), `EXISTS(SELECT * FROM notes WHERE id = 'a' AND at = 1 AND n = 2)`)
	if !fault.Is(err, "TransactionCanceledException") || !strings.Contains(err.Error(), "[None, ConditionalCheckFailed]") {
		t.Errorf("check: %v", err)
	}
	get := func(id string) string { return `SELECT id FROM notes WHERE id = '` + id + `' AND at = 1` }
	if got, err := transact(nil, get("a"), get("c"), get("b")); err != nil || got != "id=a; ; id=b" {
		t.Errorf("reads: %q %v", got, err)
	}
	increase := `UPDATE notes SET n = n + 1 WHERE id = 'a' AND at = 1`
	for range 2 {
		if _, err := transact(new("once"), increase, `EXISTS(SELECT * FROM notes WHERE id = 'b' AND at = 1 AND n = 1)`); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := run(b, `SELECT n FROM notes WHERE id = 'a' AND at = 1`); got != "n=2" {
		t.Errorf("the same token twice: %s", got)
	}
	if _, err := transact(new("once"), insert("d")); !fault.Is(err, "IdempotentParameterMismatchException") {
		t.Errorf("the token for another transaction: %v", err)
	}
	for _, statements := range [][]string{{get("a"), increase}, {increase, increase}, {increase + ` RETURNING ALL OLD *`}} {
		if _, err := transact(nil, statements...); !fault.Is(err, "ValidationException") {
			t.Errorf("%q: %v", statements, err)
		}
	}
	for _, tt := range []struct {
		reasons    string
		statements []string
	}{
		{"ValidationError", []string{`SELECT * FROM notes`}},
		{"None ValidationError", []string{increase, `EXISTS(SELECT * FROM notes WHERE id = 'b' AND at = 1)`}},
		{"ValidationError None", []string{`UPDATE notes SET n = 1 WHERE id = 'a'`, increase}},
		{"ValidationError", []string{`DELETE FROM notes WHERE id = 'a' AND at = 'x'`}},
	} {
		if _, err := transact(nil, tt.statements...); code(err) != tt.reasons {
			t.Errorf("%q: %v", tt.statements, err)
		}
	}
}

func TestStatementsAreJudged(t *testing.T) {
	b := newStatements(t)
	const notes = "arn:aws:dynamodb:eu-north-1:123456789012:table/notes"
	one := func(q string) any { return &api.ExecuteStatementInput{Statement: &q} }
	tests := []struct {
		op   smithy.Descriptor
		in   any
		want []string // action, resource, leading keys, full scan, enclosing, attributes
	}{
		{api.ExecuteStatement, one(`SELECT * FROM notes`), []string{"PartiQLSelect " + notes + " [] [true] [] []"}},
		{api.ExecuteStatement, one(`SELECT x FROM notes WHERE id > 'a'`), []string{"PartiQLSelect " + notes + " [] [true] [] [id x]"}},
		{api.ExecuteStatement, one(`SELECT * FROM notes WHERE id = 'a' OR at = 1`), []string{"PartiQLSelect " + notes + " [] [true] [] [at id]"}},
		{api.ExecuteStatement, one(`SELECT * FROM notes WHERE NOT id = 'a'`), []string{"PartiQLSelect " + notes + " [] [true] [] [id]"}},
		{api.ExecuteStatement, one(`SELECT * FROM notes WHERE id IN ['a', 'b'] AND at = 1`), []string{"PartiQLSelect " + notes + " [a b] [false] [] [at id]"}},
		{api.ExecuteStatement, one(`SELECT * FROM notes."by-who" WHERE who = 'me'`), []string{"PartiQLSelect " + notes + "/index/by-who [me] [false] [] [who]"}},
		{api.ExecuteStatement, one(`SELECT * FROM notes."by-who" WHERE id = 'a'`), []string{"PartiQLSelect " + notes + "/index/by-who [] [true] [] [id]"}},
		{api.ExecuteStatement, one(`INSERT INTO notes VALUE {'id': 'a', 'at': 1}`), []string{"PartiQLInsert " + notes + " [a] [] [] [at id]"}},
		{api.ExecuteStatement, one(`UPDATE notes SET x = y WHERE id = 'a' AND at = 1`), []string{"PartiQLUpdate " + notes + " [a] [] [] [at id x y]"}},
		{api.ExecuteStatement, one(`DELETE FROM nope WHERE id = 'a'`), []string{"PartiQLDelete arn:aws:dynamodb:eu-north-1:123456789012:table/nope [] [] [] [id]"}},
		{api.BatchExecuteStatement, &api.BatchExecuteStatementInput{Statements: []api.BatchStatementRequest{
			{Statement: new(`DELETE FROM notes WHERE id = 'a' AND at = 1`)}, {Statement: new(`nonsense`)}, {Statement: new(`INSERT INTO notes VALUE {'id': ?}`), Parameters: []av{str("b")}},
		}}, []string{"PartiQLDelete " + notes + " [a] [] [] [at id]", "PartiQLInsert " + notes + " [b] [] [] [id]"}},
		{api.ExecuteTransaction, &api.ExecuteTransactionInput{TransactStatements: []api.ParameterizedStatement{
			{Statement: new(`EXISTS(SELECT * FROM notes WHERE id = 'a' AND at = 1 AND x = 1)`)}, {Statement: new(`UPDATE notes REMOVE x WHERE id = 'b' AND at = 1`)},
		}}, []string{"PartiQLSelect " + notes + " [a] [false] [ExecuteTransaction] [at id x]", "PartiQLUpdate " + notes + " [b] [] [ExecuteTransaction] [at id x]"}},
		{api.BatchExecuteStatement, &api.BatchExecuteStatementInput{Statements: []api.BatchStatementRequest{{Statement: new(`nonsense`)}}}, []string{"BatchExecuteStatement * [] [] [] []"}},
	}
	for _, tt := range tests {
		_, op := tt.op.Of()
		checks, err := b.s.authorize(context.Background(), b.caller(), op, tt.in)
		if err != nil {
			t.Error(err)
			continue
		}
		var got []string
		for _, c := range checks {
			k := moreKeys(t, c)
			got = append(got, fmt.Sprint(strings.TrimPrefix(c.Action, "dynamodb:"), " ", c.Resource, " ", k["dynamodb:leadingkeys"], " ", k["dynamodb:fulltablescan"], " ", k["dynamodb:enclosingoperation"], " ", k["dynamodb:attributes"]))
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Error(d)
		}
	}
	for returning, want := range map[string]string{"": "NONE", " RETURNING ALL OLD *": "ALL_OLD", " RETURNING MODIFIED NEW *": "UPDATED_NEW"} {
		_, op := api.ExecuteStatement.Of()
		checks, err := b.s.authorize(context.Background(), b.caller(), op, one(`UPDATE notes SET x = 1 WHERE id = 'a' AND at = 1`+returning))
		if err != nil || moreKeys(t, checks[0])["dynamodb:returnvalues"][0] != want {
			t.Errorf("%s: %+v %v", returning, checks, err)
		}
	}
	for _, in := range []any{one(`nonsense`), &api.ExecuteTransactionInput{TransactStatements: []api.ParameterizedStatement{{Statement: new(`nonsense`)}}}} {
		if checks, _, err := statementSubjects(in); err == nil {
			t.Errorf("nonsense may be tried: %v", checks)
		}
	}
}

func TestForeignTags(t *testing.T) {
	b := newBench(t)
	_, op := api.ListTagsOfResource.Of()
	checks, err := b.s.authorize(context.Background(), b.caller(), op, &api.ListTagsOfResourceInput{ResourceArn: new("arn:aws:dynamodb:eu-north-1:999999999999:table/notes")})
	if err != nil || len(checks) != 1 || checks[0].Account != "999999999999" {
		t.Errorf("%+v %v", checks, err)
	}
}

func TestBatchIsJudgedByStatement(t *testing.T) {
	b := newStatements(t)
	in := tableInput()
	in.TableName = new("secret")
	must(b, api.CreateTable, in)
	b.denied = "table/secret"
	batch := &api.BatchExecuteStatementInput{Statements: []api.BatchStatementRequest{
		{Statement: new(`INSERT INTO notes VALUE {'id': 'a', 'at': 1}`)}, {Statement: new(`INSERT INTO secret VALUE {'id': 'a', 'at': 1}`)},
	}}
	op := b.ops["BatchExecuteStatement"]
	_, described := op.Of()
	checks, err := b.s.authorize(context.Background(), b.caller(), described, batch)
	if err != nil || len(checks) != 1 || !strings.HasSuffix(checks[0].Resource, "table/notes") {
		t.Errorf("the batch needs %+v, %v", checks, err)
	}
	out := must(b, api.BatchExecuteStatement, batch)
	if e := out.Responses[1].Error; out.Responses[0].Error != nil || e == nil || *e.Code != "AccessDenied" {
		t.Errorf("the answers are %+v", out.Responses)
	}
	batch.Statements = batch.Statements[1:]
	if checks, _ = b.s.authorize(context.Background(), b.caller(), described, batch); len(checks) != 1 {
		t.Errorf("a batch that is wholly denied needs %+v", checks)
	}
	b.denied = ""
	if got, err := run(b, `SELECT * FROM secret`); err != nil || got != "" {
		t.Errorf("the denied statement wrote %q, %v", got, err)
	}
}
