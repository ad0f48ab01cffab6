package scopecheck

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// The packages that the rules are about, known by their import paths alone, so
// that the command links none of them.
const (
	house     = "github.com/partywall/partywall/"
	isolation = house + "isolation"
	tenants   = house + "tenant"
	pgxPath   = "github.com/jackc/pgx/v5"
	poolPath  = pgxPath + "/pgxpool"
	redisPath = "github.com/redis/go-redis/"
	blobPath  = "gocloud.dev/blob"
	sqlPath   = "database/sql"
)

func isIsolation(p *types.Package) bool { return p.Path() == isolation }

func isTestFile(fset *token.FileSet, f *ast.File) bool {
	return strings.HasSuffix(fset.Position(f.FileStart).Filename, "_test.go")
}

// named returns the path of the package and the name of a type, or of what it
// points to.
func named(t types.Type) (path, name string) {
	if t == nil {
		return "", ""
	}
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	n, ok := t.(*types.Named)
	if !ok || n.Obj().Pkg() == nil {
		return "", ""
	}
	return n.Obj().Pkg().Path(), n.Obj().Name()
}

func is(t types.Type, path, name string) bool {
	p, n := named(t)
	return p == path && n == name
}

func isContext(t types.Type) bool { return is(t, "context", "Context") }

// method returns the receiver's expression and the function of a call of a
// method, or nils.
func method(info *types.Info, call *ast.CallExpr) (ast.Expr, *types.Func) {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || info.Selections[sel] == nil {
		return nil, nil
	}
	fn, _ := info.Uses[sel.Sel].(*types.Func)
	return sel.X, fn
}

// calls reports whether call is of a package's function with one of the names.
func calls(info *types.Info, call *ast.CallExpr, path string, names ...string) bool {
	fn := callee(info, call)
	if fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != path || fn.Signature().Recv() != nil {
		return false
	}
	for _, name := range names {
		if fn.Name() == name {
			return true
		}
	}
	return false
}

// callee returns the function or method that is called, or nil where that is a
// value of a function type.
func callee(info *types.Info, call *ast.CallExpr) *types.Func {
	fun := ast.Unparen(call.Fun)
	if index, ok := fun.(*ast.IndexExpr); ok {
		fun = index.X
	}
	var id *ast.Ident
	switch fun := fun.(type) {
	case *ast.Ident:
		id = fun
	case *ast.SelectorExpr:
		id = fun.Sel
	default:
		return nil
	}
	fn, _ := info.Uses[id].(*types.Func)
	return fn
}
