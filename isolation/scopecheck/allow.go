package scopecheck

import (
	"bytes"
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
)

const directive = "//scopecheck:allow"

// allowed holds the lines that a directive silences, by file.
type allowed map[string]map[int]bool

func (a allowed) has(at token.Position) bool { return a[at.Filename][at.Line] }

// readAllowed collects the directives and reports those without a reason,
// which silence nothing. A directive beside code is for its line, and one that
// stands alone for the line below.
func (c *checker) readAllowed(files []*ast.File) allowed {
	lines := allowed{}
	for _, f := range files {
		for _, group := range f.Comments {
			for _, comment := range group.List {
				c.readDirective(lines, comment)
			}
		}
	}
	return lines
}

func (c *checker) readDirective(lines allowed, comment *ast.Comment) {
	reason, ok := strings.CutPrefix(comment.Text, directive)
	if !ok || (reason != "" && strings.TrimLeft(reason, " \t") == reason) {
		return // another comment, or a longer word
	}
	if strings.TrimSpace(reason) == "" {
		c.pass.Report(analysis.Diagnostic{
			Pos: comment.Pos(), End: comment.End(), Category: CategoryDirective,
			Message: "scopecheck:allow without a reason silences nothing; say why: " + directive + " <reason>",
		})
		return
	}
	at := c.pass.Fset.Position(comment.Pos())
	if lines[at.Filename] == nil {
		lines[at.Filename] = map[int]bool{}
	}
	line := at.Line
	if c.alone(at) {
		line++
	}
	lines[at.Filename][line] = true
}

// alone reports whether nothing but space comes before a comment on its line.
func (c *checker) alone(at token.Position) bool {
	text, err := c.pass.ReadFile(at.Filename)
	if err != nil || at.Offset > len(text) || at.Column > at.Offset+1 {
		return false
	}
	return len(bytes.TrimSpace(text[at.Offset-at.Column+1:at.Offset])) == 0
}
