package scopecheck

import (
	"go/ast"
	"go/constant"
	"go/token"
	"strings"
)

// checkProtocol is rule 6: nobody beside the wall asks for the simple protocol,
// under which one injected string is several statements. To compare with it is
// no request for it.
func (c *checker) checkProtocol(file *ast.File) {
	const message = "the simple protocol lets one string be several statements, and isolation refuses it; leave the mode at its default"
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CaseClause:
			for _, s := range n.Body {
				ast.Inspect(s, func(n ast.Node) bool { return c.protocol(n, message) })
			}
			return false
		default:
			return c.protocol(n, message)
		}
	})
}

// protocol looks at one node, and says whether to look into it.
func (c *checker) protocol(n ast.Node, message string) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return n.Op != token.EQL && n.Op != token.NEQ
	case *ast.Ident:
		obj := c.pass.TypesInfo.Uses[n]
		if obj != nil && obj.Pkg() != nil && obj.Pkg().Path() == pgxPath && obj.Name() == "QueryExecModeSimpleProtocol" {
			c.report(n, CategoryProtocol, message)
		}
	case *ast.BasicLit:
		v := c.pass.TypesInfo.Types[n].Value
		if v != nil && v.Kind() == constant.String && strings.Contains(constant.StringVal(v), "default_query_exec_mode=simple_protocol") {
			c.report(n, CategoryProtocol, message)
		}
	}
	return true
}
