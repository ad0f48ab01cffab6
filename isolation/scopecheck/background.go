package scopecheck

import (
	"fmt"
	"go/ast"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
)

// checkBackground is rule 2: no fresh context on the way of a request. In a
// function that answers none but has a context, only handing a fresh one to a
// call is reported: what outlives the function begins with one rightly.
func (c *checker) checkBackground(fn *function) {
	if fn.start || (!fn.handler() && fn.ctx == nil) {
		return
	}
	parents := map[ast.Node]*ast.CallExpr{}
	own(fn.body, func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		for _, arg := range call.Args {
			parents[ast.Unparen(arg)] = call
		}
		if !calls(c.pass.TypesInfo, call, "context", "Background", "TODO") {
			return
		}
		parent := parents[call]
		if c.ends(parent) || (!fn.handler() && (parent == nil || c.fromContext(parent))) {
			return
		}
		name, text := c.better(fn, call)
		c.report(call, CategoryBackground, fmt.Sprintf(
			"context.%s here loses the tenant and the deadline; use %s, or context.WithoutCancel(%s) for what must go on",
			callee(c.pass.TypesInfo, call).Name(), name, name), replace(call, text)...)
	})
}

// ends reports whether a call cleans up, which has to work after a context has
// ended.
func (c *checker) ends(call *ast.CallExpr) bool {
	if call == nil {
		return false
	}
	fn := callee(c.pass.TypesInfo, call)
	return fn != nil && slices.Contains([]string{"Rollback", "Close", "Shutdown", "Stop", "Release"}, fn.Name())
}

func (c *checker) fromContext(call *ast.CallExpr) bool {
	fn := callee(c.pass.TypesInfo, call)
	return fn == nil || fn.Pkg() == nil || fn.Pkg().Path() == "context"
}

// better returns the context to use, and the same as text for a fix when its
// name means that here.
func (c *checker) better(fn *function, call *ast.CallExpr) (name, text string) {
	v, suffix := fn.ctx, ""
	switch {
	case v != nil:
	case fn.request != nil:
		v, suffix = fn.request, ".Context()"
	default:
		v = fn.rpc
	}
	if v.Name() == "" || v.Name() == "_" {
		return "the request's context", ""
	}
	scope := c.pass.Pkg.Scope().Innermost(call.Pos())
	if scope == nil {
		return v.Name() + suffix, ""
	}
	// A literal may outlive the request, so what is around it is no safe fix.
	if _, obj := scope.LookupParent(v.Name(), call.Pos()); obj != types.Object(v) || !fn.declares(v) {
		return v.Name() + suffix, ""
	}
	return v.Name() + suffix, v.Name() + suffix
}

func replace(call *ast.CallExpr, text string) []analysis.SuggestedFix {
	if text == "" {
		return nil
	}
	return []analysis.SuggestedFix{{
		Message:   "Use " + text,
		TextEdits: []analysis.TextEdit{{Pos: call.Pos(), End: call.End(), NewText: []byte(text)}},
	}}
}
