package provisioning

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// split returns the statements of text, and the error after them.
func split(text string) (statements []string, err error) {
	s := sqlScanner{text: text}
	for {
		_, statement, err := s.next()
		if err != nil || statement == "" {
			return statements, err
		}
		statements = append(statements, statement)
	}
}

func TestSQLScanner(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                   nil,
		" ;;\n-- nothing; here\n/* ; */;":    nil,
		"a; b ;c":                            {"a", "b ", "c"},
		"a -- x;\n b; c":                     {"a -- x;\n b", " c"[1:]},
		"a /* ; /* ; */ ; */ b; c":           {"a /* ; /* ; */ ; */ b", "c"},
		"'a;''b;'; c":                        {"'a;''b;'", "c"},
		`'a\'; b`:                            {`'a\'`, "b"},
		`E'a\';b'; c`:                        {`E'a\';b'`, "c"},
		`e'a\\'; c`:                          {`e'a\\'`, "c"},
		"E'a'\n  '\\';b'; c":                 {"E'a'\n  '\\';b'", "c"},
		"E'a'  '\\'; c":                      {"E'a'  '\\'", "c"},
		`E'a'';b'; c`:                        {`E'a'';b'`, "c"},
		`name'a\'; c`:                        {`name'a\'`, "c"},
		`"a;""b;"; c`:                        {`"a;""b;"`, "c"},
		"$$a;b$$; c":                         {"$$a;b$$", "c"},
		"$x$a;$$;$y$;$x$; c":                 {"$x$a;$$;$y$;$x$", "c"},
		"a$x$; c$x$":                         {"a$x$", "c$x$"},
		"$1;$2":                              {"$1", "$2"},
		"$1$;$1$":                            {"$1$", "$1$"},
		"é$x$; c$x$":                         {"é$x$", "c$x$"},
		"$é$;$é$; c":                         {"$é$;$é$", "c"},
		"U&'\\0061;'; U&\"x;\" ;c":           {"U&'\\0061;'", "U&\"x;\" ", "c"},
		"a - 1; b / 2; c * 3":                {"a - 1", "b / 2", "c * 3"},
		"a;\r-- only a comment; to the end":  {"a"},
		"a -- to a carriage return;\rb; c\r": {"a -- to a carriage return;\rb", "c\r"},
	} {
		if got, err := split(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]error{
		"a; 'b": errOpenString, `a; "b`: errOpenString, `E'\'`: errOpenString, "E'": errOpenString, `E'a\`: errOpenString,
		"$$a": errOpenDollar, "$x$a$y$": errOpenDollar, "/* /* */": errOpenComment, "/*": errOpenComment, "/*/": errOpenComment,
	} {
		if _, err := split(text); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzSQLScanner wants every byte in one place: in a statement, or between two,
// where there is nothing but space, comments and semicolons.
func FuzzSQLScanner(f *testing.F) {
	for _, text := range []string{"a; b", "E'a'\n'\\';' $x$ ; $x$", "/* /* ; */ */ a", "--;\r\n\"a;\"\"b\"", "'", "$$", "é;\xff;"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := sqlScanner{text: text}
		end := 0
		for {
			from, statement, err := s.next()
			if err != nil {
				return
			}
			if from < end || s.at < from+len(statement) {
				t.Fatalf("%q: a statement at %d after one that ended at %d, and on to %d", text, from, end, s.at)
			}
			if between, err := split(text[end:from]); err != nil || len(between) > 0 {
				t.Fatalf("%q: %q is left out, %v", text, between, err)
			}
			if statement == "" {
				return
			}
			if text[from:from+len(statement)] != statement || strings.TrimSpace(statement) == "" {
				t.Fatalf("%q: %q is not what is at %d", text, statement, from)
			}
			end = from + len(statement)
		}
	})
}
