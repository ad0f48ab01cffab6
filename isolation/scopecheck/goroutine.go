package scopecheck

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// checkGoroutines is rule 3: a handler waits for what it starts with the
// request's context, since that ends when the handler returns.
func (c *checker) checkGoroutines(fn *function) {
	if !fn.handler() || fn.waits {
		return
	}
	own(fn.body, func(n ast.Node) {
		if g, ok := n.(*ast.GoStmt); ok && c.usesRequest(g.Call, fn) {
			c.report(g, CategoryGoroutine, "goroutine with the request's context outlives the handler, "+
				"which ends that context; wait for it, or give it context.WithoutCancel")
		}
	})
}

// waits reports whether a body waits for anything: it calls a Wait, or
// receives from a channel. What for is beyond this analysis.
func (c *checker) waits(body *ast.BlockStmt) bool {
	found := false
	own(body, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.UnaryExpr:
			found = found || n.Op == token.ARROW
		case *ast.RangeStmt:
			_, ok := c.pass.TypesInfo.TypeOf(n.X).Underlying().(*types.Chan)
			found = found || ok
		case *ast.CallExpr:
			_, m := method(c.pass.TypesInfo, n)
			found = found || (m != nil && m.Name() == "Wait")
		}
	})
	return found
}

// usesRequest reports whether a goroutine, in its arguments or its literal,
// uses a context that ends with the request.
func (c *checker) usesRequest(n ast.Node, fn *function) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok || found || !isContext(c.pass.TypesInfo.TypeOf(e)) {
			return !found
		}
		found = c.ofRequest(e, fn, objects{})
		_, call := e.(*ast.CallExpr)
		return !call // whose arguments ofRequest has looked at
	})
	return found
}

// ofRequest reports whether a context is derived from the request's.
func (c *checker) ofRequest(e ast.Expr, fn *function, seen objects) bool {
	e = ast.Unparen(e)
	if call, ok := e.(*ast.CallExpr); ok {
		if calls(c.pass.TypesInfo, call, "context", "WithoutCancel") {
			return false
		}
		if x, m := method(c.pass.TypesInfo, call); m != nil && m.Name() == "Context" && is(c.pass.TypesInfo.TypeOf(x), "net/http", "Request") {
			return fn.request != nil && c.flow.object(x) == fn.request
		}
		return slices.ContainsFunc(call.Args, func(arg ast.Expr) bool {
			return isContext(c.pass.TypesInfo.TypeOf(arg)) && c.ofRequest(arg, fn, seen)
		})
	}
	obj := c.flow.object(e)
	if obj == nil || seen[obj] {
		return false
	}
	if fn.rpc != nil && obj == fn.rpc {
		return len(c.flow.sources[obj]) == 0 // else it has been replaced, by what nobody knows here
	}
	seen[obj] = true
	return slices.ContainsFunc(c.flow.sources[obj], func(from ast.Expr) bool {
		return c.ofRequest(from, fn, seen)
	})
}
