package scopecheck

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// checkSQL reports where the value of a statement is put together from strings
// that are not known to be harmless.
func (c *checker) checkSQL(e ast.Expr, seen objects) {
	e = ast.Unparen(e)
	if c.pass.TypesInfo.Types[e].Value != nil {
		return
	}
	switch n := e.(type) {
	case *ast.BinaryExpr:
		if n.Op == token.ADD && !c.harmless(n, maps.Clone(seen)) {
			c.reportSQL(n)
		}
	case *ast.CallExpr:
		if calls(c.pass.TypesInfo, n, "fmt", "Sprintf", "Sprint", "Sprintln") && !c.harmless(n, maps.Clone(seen)) {
			c.reportSQL(n)
		}
	default:
		obj := c.flow.object(e)
		if obj == nil || seen[obj] {
			return
		}
		seen[obj] = true
		for _, from := range c.flow.sources[obj] {
			c.checkSQL(from, seen)
		}
	}
}

func (c *checker) reportSQL(e ast.Expr) {
	if c.inTest(e) {
		return
	}
	c.report(e, CategorySQL, "SQL put together from values can be injected into; "+
		"use parameters ($1), and pgx.Identifier{…}.Sanitize() for names")
}

// harmless reports whether a string cannot carry what somebody sent: it is
// made of constants, numbers and quoted names, as far as this package shows.
func (c *checker) harmless(e ast.Expr, seen objects) bool {
	e = ast.Unparen(e)
	tv := c.pass.TypesInfo.Types[e]
	if tv.Value != nil || isNumber(tv.Type) {
		return true
	}
	switch n := e.(type) {
	case *ast.BinaryExpr:
		return c.harmless(n.X, seen) && c.harmless(n.Y, seen)
	case *ast.CallExpr:
		return c.harmlessCall(n, seen)
	case *ast.CompositeLit:
		return !slices.ContainsFunc(n.Elts, func(e ast.Expr) bool { return !c.harmless(e, seen) })
	case *ast.IndexExpr:
		return c.harmless(n.X, seen)
	case *ast.SliceExpr:
		return c.harmless(n.X, seen)
	}
	obj := c.flow.object(e)
	if obj == nil {
		return false
	}
	if seen[obj] || c.flow.scanned[obj] {
		return true // sql += …: what it was before is looked at where it came from
	}
	seen[obj] = true
	from := c.flow.sources[obj]
	if len(from) == 0 {
		// A variable of the package that nobody sets is embedded.
		return obj.Parent() == c.pass.Pkg.Scope() && !obj.Exported()
	}
	return !slices.ContainsFunc(from, func(e ast.Expr) bool { return !c.harmless(e, seen) })
}

func (c *checker) harmlessCall(call *ast.CallExpr, seen objects) bool {
	bad := func(e ast.Expr) bool { return !c.harmless(e, seen) }
	info := c.pass.TypesInfo
	if info.Types[call.Fun].IsBuiltin() {
		id, ok := ast.Unparen(call.Fun).(*ast.Ident)
		return ok && (id.Name == "make" || id.Name == "append" && !slices.ContainsFunc(call.Args, bad))
	}
	if info.Types[call.Fun].IsType() || calls(info, call, "fmt", "Sprintf", "Sprint", "Sprintln") ||
		calls(info, call, "strings", "Join", "Repeat", "ToLower", "ToUpper", "TrimSpace") {
		return !slices.ContainsFunc(call.Args, bad)
	}
	if calls(info, call, pgxPath, "CollectRows", "CollectOneRow", "CollectExactlyOneRow") {
		return true // from the database, as what is scanned
	}
	fn := callee(info, call)
	if fn == nil {
		return false
	}
	if quotes(fn) {
		return true
	}
	if seen[fn] {
		return true
	}
	seen[fn] = true
	from := c.flow.returned(fn)
	return len(from) > 0 && !slices.ContainsFunc(from, bad)
}

// quotes reports whether a function returns what nobody sent: numbers, chance,
// or a string that it has quoted. The last goes by its name, since what a
// host's own helper does is not proven.
func quotes(fn *types.Func) bool {
	name := strings.ToLower(fn.Name())
	return fn.Pkg() != nil && slices.Contains([]string{"strconv", "crypto/rand"}, fn.Pkg().Path()) || slices.ContainsFunc(
		[]string{"quote", "sanitize", "literal"}, func(word string) bool { return strings.Contains(name, word) })
}

func isNumber(t types.Type) bool {
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&(types.IsNumeric|types.IsBoolean) != 0
}
