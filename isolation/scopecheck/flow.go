package scopecheck

import (
	"go/ast"
	"go/token"
	"go/types"
)

// flow knows which expressions a package assigns to each of its variables,
// fields and parameters. It ignores order and branches: a rule that asks where
// a value may come from hears of all places in this package.
type flow struct {
	info    *types.Info
	sources map[types.Object][]ast.Expr
	bodies  map[types.Object]*ast.BlockStmt // of functions and methods
	scanned map[types.Object]bool           // filled by the database
}

// objects are those that a walk has been at, so that it visits each once.
type objects map[types.Object]bool

func newFlow(info *types.Info, files []*ast.File) *flow {
	f := &flow{info, map[types.Object][]ast.Expr{}, map[types.Object]*ast.BlockStmt{}, map[types.Object]bool{}}
	for _, file := range files {
		ast.Inspect(file, f.visit)
	}
	return f
}

func (f *flow) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		if n.Body != nil {
			f.bodies[f.info.Defs[n.Name]] = n.Body
		}
	case *ast.AssignStmt:
		f.assign(n)
	case *ast.RangeStmt:
		f.add(n.Value, n.X)
	case *ast.ValueSpec:
		for i, name := range n.Names {
			f.add(name, at(n.Values, i))
		}
	case *ast.CompositeLit:
		f.fields(n)
	case *ast.KeyValueExpr:
		if id, ok := n.Key.(*ast.Ident); ok {
			f.add(id, n.Value)
		}
	case *ast.CallExpr:
		f.call(n)
	}
	return true
}

func (f *flow) assign(n *ast.AssignStmt) {
	for i, left := range n.Lhs {
		right := at(n.Rhs, i)
		if index, ok := left.(*ast.IndexExpr); ok {
			left = index.X // a slice is as harmless as what is put into it
		}
		if n.Tok == token.ADD_ASSIGN {
			right = &ast.BinaryExpr{X: left, OpPos: n.TokPos, Op: token.ADD, Y: right}
		}
		f.add(left, right)
	}
}

// fields makes the values of a struct without names sources of its fields.
func (f *flow) fields(n *ast.CompositeLit) {
	t := f.info.TypeOf(n)
	if t == nil {
		return
	}
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	s, ok := t.Underlying().(*types.Struct)
	if !ok || len(n.Elts) != s.NumFields() {
		return
	}
	for i, value := range n.Elts {
		if _, keyed := value.(*ast.KeyValueExpr); !keyed {
			f.sources[s.Field(i).Origin()] = append(f.sources[s.Field(i).Origin()], value)
		}
	}
}

// call makes the arguments sources of the parameters, of functions in this
// package.
func (f *flow) call(n *ast.CallExpr) {
	fn := callee(f.info, n)
	if fn == nil {
		return
	}
	if fn.Name() == "Scan" {
		for _, arg := range n.Args {
			if p, ok := ast.Unparen(arg).(*ast.UnaryExpr); ok && p.Op == token.AND && f.object(p.X) != nil {
				f.scanned[f.object(p.X)] = true
			}
		}
	}
	params := fn.Origin().Signature().Params()
	for i, arg := range n.Args {
		if params.Len() == len(n.Args) && !n.Ellipsis.IsValid() {
			f.sources[params.At(i)] = append(f.sources[params.At(i)], arg)
		}
	}
}

// at is the i-th expression, or the only one of several results.
func at(list []ast.Expr, i int) ast.Expr {
	switch {
	case i < len(list):
		return list[i]
	case len(list) == 1:
		return list[0]
	}
	return nil
}

func (f *flow) add(to, from ast.Expr) {
	if obj := f.object(to); obj != nil && from != nil {
		f.sources[obj] = append(f.sources[obj], from)
	}
}

// object returns the variable or field that an expression names, or nil.
func (f *flow) object(e ast.Expr) types.Object {
	var id *ast.Ident
	switch e := e.(type) {
	case *ast.ParenExpr:
		return f.object(e.X)
	case *ast.Ident:
		id = e
	case *ast.SelectorExpr:
		id = e.Sel
	default:
		return nil
	}
	if v, ok := f.info.ObjectOf(id).(*types.Var); ok {
		return v.Origin()
	}
	return nil
}

// returned returns what a function of this package returns first.
func (f *flow) returned(fn *types.Func) []ast.Expr {
	var out []ast.Expr
	body := f.bodies[fn]
	if body == nil {
		return nil
	}
	own(body, func(n ast.Node) {
		if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) > 0 {
			out = append(out, r.Results[0])
		}
	})
	return out
}

// own visits what is in a body and not in a function literal within it.
func own(body ast.Node, visit func(ast.Node)) {
	ast.Inspect(body, func(n ast.Node) bool {
		if _, lit := n.(*ast.FuncLit); lit && n != body {
			return false
		}
		if n != nil {
			visit(n)
		}
		return true
	})
}
