package scopecheck

import (
	"go/ast"
	"go/token"
	"slices"

	"golang.org/x/tools/go/analysis"
)

// The categories of the diagnostics, one per rule, and one for directives that
// give no reason.
const (
	CategoryHandle     = "rawhandle"
	CategoryBackground = "background"
	CategoryGoroutine  = "goroutine"
	CategorySystem     = "system"
	CategorySQL        = "sql"
	CategoryProtocol   = "protocol"
	CategoryDirective  = "directive"
)

// New returns the analyzer. It is a function and not a variable because an
// analysis.Analyzer is mutable: whoever sets its flags sets them for itself.
func New() *analysis.Analyzer {
	return &analysis.Analyzer{
		Name: "scopecheck",
		Doc:  "report what goes round the wall between tenants\n\nRaw handles, lost contexts, unreasoned system access and assembled SQL.",
		URL:  "https://pkg.go.dev/github.com/partywall/partywall/isolation/scopecheck",
		Run:  run,
	}
}

// checker looks at one package.
type checker struct {
	pass    *analysis.Pass
	flow    *flow
	allowed allowed
	tests   []*ast.BlockStmt   // of functions that take a testing.TB
	seen    map[token.Pos]bool // what has been reported, since a value may be used twice
}

func run(pass *analysis.Pass) (any, error) {
	var files []*ast.File
	for _, f := range pass.Files {
		if !isTestFile(pass.Fset, f) {
			files = append(files, f)
		}
	}
	c := &checker{pass: pass, flow: newFlow(pass.TypesInfo, files), seen: map[token.Pos]bool{}}
	c.allowed = c.readAllowed(files)

	var all []*function
	beside := slices.ContainsFunc(pass.Pkg.Imports(), isIsolation)
	for _, f := range files {
		if beside {
			c.checkProtocol(f)
		}
		fns := c.functions(f)
		c.tests = append(c.tests, testBodies(fns)...)
		all = append(all, fns...)
	}
	for _, fn := range all {
		if !fn.test {
			c.checkHandles(fn)
			c.checkBackground(fn)
			c.checkGoroutines(fn)
			c.checkStatements(fn)
		}
	}
	return nil, nil //nolint:nilnil // what an analyzer without a ResultType has to return
}

// report tells of a finding, unless its line is allowed.
func (c *checker) report(at ast.Node, category, message string, fixes ...analysis.SuggestedFix) {
	if c.seen[at.Pos()] || c.allowed.has(c.pass.Fset.Position(at.Pos())) {
		return
	}
	c.seen[at.Pos()] = true
	c.pass.Report(analysis.Diagnostic{
		Pos: at.Pos(), End: at.End(), Category: category, Message: message, SuggestedFixes: fixes,
	})
}

func testBodies(fns []*function) []*ast.BlockStmt {
	var out []*ast.BlockStmt
	for _, fn := range fns {
		if fn.test {
			out = append(out, fn.body)
		}
	}
	return out
}

func (c *checker) inTest(n ast.Node) bool {
	return slices.ContainsFunc(c.tests, func(b *ast.BlockStmt) bool { return b.Pos() <= n.Pos() && n.End() <= b.End() })
}
