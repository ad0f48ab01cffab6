package scopecheck

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// function is a declared function or a literal, with what the rules ask of it.
type function struct {
	body    *ast.BlockStmt
	request *types.Var // the *http.Request of a server, its own or of a function around it
	rpc     *types.Var // the context of a gRPC method
	ctx     *types.Var // its own context.Context
	tenant  bool       // a tenant is in scope
	start   bool       // main or init, or a literal within
	test    bool       // takes part in a test
	waits   bool       // waits for something, or a function around it does
	sig     *types.Signature
}

// declares reports whether a variable is a parameter of the function's own.
func (f *function) declares(v *types.Var) bool {
	return f.sig != nil && slices.Contains(slices.Collect(f.sig.Params().Variables()), v)
}

// handler reports whether the function answers a request.
func (f *function) handler() bool { return f.request != nil || f.rpc != nil }

// functions returns the functions of a file, the outer ones first.
func (c *checker) functions(file *ast.File) []*function {
	var all []*function
	var walk func(n ast.Node, outer *function)
	walk = func(n ast.Node, outer *function) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Body == nil {
					return false
				}
				sig, _ := c.pass.TypesInfo.Defs[n.Name].Type().(*types.Signature)
				f := c.function(sig, n.Body, nil)
				f.start = n.Recv == nil && (n.Name.Name == "main" || n.Name.Name == "init")
				if f.ctx != nil && isService(sig) && n.Name.IsExported() {
					f.rpc, f.tenant = f.ctx, true
				}
				all = append(all, f)
				walk(n.Body, f)
				return false
			case *ast.FuncLit:
				sig, _ := c.pass.TypesInfo.TypeOf(n).(*types.Signature)
				f := c.function(sig, n.Body, outer)
				all = append(all, f)
				walk(n.Body, f)
				return false
			}
			return true
		})
	}
	walk(file, nil)
	return all
}

func (c *checker) function(sig *types.Signature, body *ast.BlockStmt, outer *function) *function {
	f := &function{body: body, sig: sig, waits: c.waits(body)}
	if outer != nil {
		f.waits = f.waits || outer.waits
		f.request, f.rpc, f.tenant, f.start, f.test = outer.request, outer.rpc, outer.tenant, outer.start, outer.test
	}
	if sig == nil {
		return f
	}
	for v := range sig.Params().Variables() {
		path, name := named(v.Type())
		switch {
		case path == "net/http" && name == "Request" && !returnsResponse(sig):
			f.request = v
		case isContext(v.Type()) && f.ctx == nil:
			f.ctx = v
		case path == "testing":
			f.test = true
		}
	}
	f.tenant = f.tenant || f.request != nil || c.touchesTenant(body)
	return f
}

// returnsResponse tells clients from servers.
func returnsResponse(sig *types.Signature) bool {
	for v := range sig.Results().Variables() {
		if is(v.Type(), "net/http", "Response") {
			return true
		}
	}
	return false
}

// isService reports whether the receiver embeds what protoc-gen-go-grpc makes
// servers embed.
func isService(sig *types.Signature) bool {
	if sig == nil || sig.Recv() == nil {
		return false
	}
	t := types.Unalias(sig.Recv().Type())
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	s, ok := t.Underlying().(*types.Struct)
	if !ok {
		return false
	}
	for v := range s.Fields() {
		if v.Embedded() && strings.HasPrefix(v.Name(), "Unimplemented") && strings.HasSuffix(v.Name(), "Server") {
			return true
		}
	}
	return false
}

// touchesTenant reports whether a body, without its literals, makes or asks for
// a tenant's context, or runs a tenant's statement.
func (c *checker) touchesTenant(body *ast.BlockStmt) bool {
	found := false
	own(body, func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || found {
			return
		}
		if calls(c.pass.TypesInfo, call, tenants, "NewContext", "Admit", "FromContext") {
			found = true
			return
		}
		x, fn := method(c.pass.TypesInfo, call)
		if fn == nil || len(call.Args) == 0 {
			return
		}
		path, name := named(c.pass.TypesInfo.TypeOf(x))
		switch {
		case path == tenants && name == "Registry":
			found = fn.Name() == "Resume"
		case path == isolation && name == "DB":
			found = slices.Contains(statements(), fn.Name()) && !c.madeBy(call.Args[0], isolation, "AsSystem", objects{})
		}
	})
	return found
}

// statements are the methods of an isolation.DB that belong to a tenant.
func statements() []string {
	return []string{"Query", "QueryRow", "Exec", "Begin", "BeginTx", "Tx", "SendBatch", "CopyFrom"}
}

// madeBy reports whether a context comes, through variables and other calls
// that take contexts, from a function of a package.
func (c *checker) madeBy(e ast.Expr, path, name string, seen objects) bool {
	e = ast.Unparen(e)
	if call, ok := e.(*ast.CallExpr); ok {
		if calls(c.pass.TypesInfo, call, path, name) {
			return true
		}
		return slices.ContainsFunc(call.Args, func(arg ast.Expr) bool {
			return isContext(c.pass.TypesInfo.TypeOf(arg)) && c.madeBy(arg, path, name, seen)
		})
	}
	obj := c.flow.object(e)
	if obj == nil || seen[obj] {
		return false
	}
	seen[obj] = true
	return slices.ContainsFunc(c.flow.sources[obj], func(from ast.Expr) bool {
		return c.madeBy(from, path, name, seen)
	})
}
