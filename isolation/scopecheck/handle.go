package scopecheck

import (
	"fmt"
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// checkHandles is rule 1: no raw handle where a tenant is in scope.
func (c *checker) checkHandles(fn *function) {
	if !fn.tenant {
		return
	}
	own(fn.body, func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		x, m := method(c.pass.TypesInfo, call)
		if m == nil {
			return
		}
		what, instead := rawHandle(c.pass.TypesInfo.TypeOf(x), m)
		if what == "" || (len(call.Args) > 0 && c.madeBy(call.Args[0], tenants, "Without", objects{})) {
			return
		}
		walled, raw := c.origin(x, objects{})
		if walled || (strings.HasPrefix(what, "*sql.") && !raw) {
			return
		}
		c.report(call, CategoryHandle, fmt.Sprintf(
			"%s of a raw %s where a tenant is in scope goes round the wall; use %s", m.Name(), what, instead))
	})
}

// rawHandle says what a method's receiver is, if calling it there reaches
// everybody's data, and what to use instead.
func rawHandle(t types.Type, m *types.Func) (what, instead string) {
	path, name := named(t)
	plain := strings.TrimSuffix(m.Name(), "Context")
	switch {
	case (path == poolPath && name == "Pool" || path == pgxPath && name == "Conn") && slices.Contains(pgxMethods(), m.Name()):
		return "*" + m.Pkg().Name() + "." + name, "isolation.DB"
	case path == sqlPath && (name == "DB" || name == "Conn") && slices.Contains(sqlMethods(), plain):
		return "*sql." + name, "isolation.DB or its StdDB"
	case strings.HasPrefix(path, redisPath) && slices.Contains(redisClients(), name) && sends(m, "Pipeline", "TxPipeline"):
		return "redis." + name, "a cache that keys by tenant"
	case path == blobPath && name == "Bucket" && sends(m, "List"):
		return "*blob.Bucket", "a storage that keys by tenant"
	}
	return "", ""
}

// sends reports whether a method asks a service for somebody's data: it takes a
// context and is no mere sign of life, or is one of those that take none.
func sends(m *types.Func, without ...string) bool {
	if slices.Contains(without, m.Name()) {
		return true
	}
	params := m.Signature().Params()
	return params.Len() > 0 && isContext(params.At(0).Type()) && m.Name() != "Ping" && m.Name() != "IsAccessible"
}

func pgxMethods() []string {
	return []string{
		"Query", "QueryRow", "Exec", "Begin", "BeginTx", "SendBatch", "CopyFrom", "Prepare", "Acquire", "AcquireFunc",
	}
}

func sqlMethods() []string {
	return []string{"Begin", "BeginTx", "Prepare", "Query", "QueryRow", "Exec"}
}

func redisClients() []string {
	return []string{"Client", "ClusterClient", "Ring", "UniversalClient", "Cmdable"}
}

// origin follows a handle through variables, fields, parameters and helpers of
// this package. It is walled when any source is a function of Partywall's, and
// raw when any is another call; a handle may be neither, if nothing is known.
func (c *checker) origin(e ast.Expr, seen objects) (walled, raw bool) {
	e = ast.Unparen(e)
	var from []ast.Expr
	if call, ok := e.(*ast.CallExpr); ok {
		fn := callee(c.pass.TypesInfo, call)
		if fn == nil {
			return false, false
		}
		if isWall(fn.Pkg()) {
			return true, false
		}
		if seen[fn] {
			return false, false
		}
		seen[fn] = true
		from = c.flow.returned(fn)
		if x, m := method(c.pass.TypesInfo, call); m != nil && fn.Pkg().Path() == sqlPath {
			from = append(from, x) // a Conn is what its DB is
		}
		if len(from) == 0 {
			return false, true
		}
	} else {
		obj := c.flow.object(e)
		if obj == nil || seen[obj] {
			return false, false
		}
		seen[obj] = true
		from = c.flow.sources[obj]
	}
	for _, source := range from {
		w, r := c.origin(source, seen)
		walled, raw = walled || w, raw || r
	}
	return walled, raw
}

// isWall reports whether a package's handles know their tenant.
func isWall(p *types.Package) bool {
	if p == nil {
		return false
	}
	tree, ok := strings.CutPrefix(p.Path(), house)
	tree, _, _ = strings.Cut(tree, "/")
	return ok && slices.Contains([]string{"isolation", "storage", "cache"}, tree)
}
