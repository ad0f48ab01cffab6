package scopecheck

import (
	"go/ast"
	"go/constant"
	"go/types"
	"slices"
	"strings"
)

// checkStatements is rules 4 and 5: the system has a reason, and SQL is not put
// together from values.
func (c *checker) checkStatements(fn *function) {
	own(fn.body, func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		if calls(c.pass.TypesInfo, call, isolation, "AsSystem") && len(call.Args) == 2 {
			c.checkReason(call.Args[1])
		}
		if sql := c.sqlOf(call); sql != nil {
			c.checkSQL(sql, objects{})
		}
	})
}

func (c *checker) checkReason(reason ast.Expr) {
	switch v := c.pass.TypesInfo.Types[reason].Value; {
	case v == nil:
		c.report(reason, CategorySystem, "the reason of AsSystem is made at run time; give a constant, so that reviewers can read it")
	case v.Kind() == constant.String && strings.TrimSpace(constant.StringVal(v)) == "":
		c.report(reason, CategorySystem, "AsSystem without a reason; say why this may look past the wall")
	}
}

// sqlOf returns the statement among a call's arguments, or nil: the last plain
// string of a method of pgx, database/sql or isolation, or of an interface of
// the same shape.
func (c *checker) sqlOf(call *ast.CallExpr) ast.Expr {
	_, m := method(c.pass.TypesInfo, call)
	if m == nil || !slices.Contains([]string{"Query", "QueryRow", "Exec", "Prepare", "Queue"}, strings.TrimSuffix(m.Name(), "Context")) {
		return nil
	}
	sig := m.Signature()
	known := isDriver(m.Pkg())
	for v := range sig.Results().Variables() {
		path, _ := named(v.Type())
		known = known || path == sqlPath || strings.HasPrefix(path, pgxPath)
	}
	if !known {
		return nil
	}
	for i := min(sig.Params().Len(), len(call.Args)) - 1; i >= 0; i-- {
		if types.Identical(sig.Params().At(i).Type(), types.Typ[types.String]) {
			return call.Args[i]
		}
	}
	return nil
}

func isDriver(p *types.Package) bool {
	return p != nil && (p.Path() == isolation || p.Path() == sqlPath || p.Path() == pgxPath || p.Path() == poolPath)
}
