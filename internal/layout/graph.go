package layout

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// source is one package of the module: what its files import.
type source struct {
	path                 string // "." for the root
	imports, testImports []string
}

// top is the package's top-level folder.
func (s *source) top() string { return first(s.path) }

func (s *source) under(folder string) bool { return s.top() == folder }

// library tells what users import from what stays at home.
func (s *source) library() bool { return !s.under("internal") && !s.under("examples") }

// graph is the packages of the module by path.
type graph struct {
	packages map[string]*source
}

func newGraph(packages []*source) *graph {
	g := &graph{packages: map[string]*source{}}
	for _, pkg := range packages {
		g.packages[pkg.path] = pkg
	}

	return g
}

// reach returns everything that the imports lead to, each with the package
// that imports it. Tests of imported packages are not linked.
func (g *graph) reach(imports []string, from string) map[string]string {
	seen := map[string]string{}

	var visit func(imports []string, via string)

	visit = func(imports []string, via string) {
		for _, dep := range imports {
			if _, ok := seen[dep]; ok {
				continue
			}

			seen[dep] = via

			if inner, ok := inModule(dep); ok && g.packages[inner] != nil {
				visit(g.packages[inner].imports, inner)
			}
		}
	}
	visit(imports, from)

	return seen
}

// linked reports the modules of the home that the imports lead to.
func (g *graph) linked(pkg *source, imports []string, h home, verb string) []Finding {
	var findings []Finding

	for dep, via := range g.reach(imports, pkg.path) {
		if within(h.modules, dep) {
			findings = append(findings, Finding{"home", pkg.path, verb + " " + dep + " through " + via})
		}
	}

	return findings
}

// parse reads the import clauses of every package of the module.
func parse(tree fs.FS) ([]*source, error) {
	packages := map[string]*source{}

	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		if entry.IsDir() {
			return enter(tree, name)
		}

		if !strings.HasSuffix(name, ".go") {
			return nil
		}

		imports, err := importsOf(tree, name)
		if err != nil {
			return err
		}

		dir := path.Dir(name)
		if packages[dir] == nil {
			packages[dir] = &source{path: dir}
		}

		if strings.HasSuffix(name, "_test.go") {
			packages[dir].testImports = append(packages[dir].testImports, imports...)
		} else {
			packages[dir].imports = append(packages[dir].imports, imports...)
		}

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}

	return slices.SortedFunc(maps.Values(packages), func(a, b *source) int {
		return strings.Compare(a.path, b.path)
	}), nil
}

// enter skips the folders that the go command ignores, and other modules.
func enter(tree fs.FS, name string) error {
	if name == "." {
		return nil
	}

	base := path.Base(name)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}

	if _, err := fs.Stat(tree, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}

	return nil
}

func importsOf(tree fs.FS, name string) ([]string, error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err //nolint:wrapcheck // parse wraps it, and it has the name
	}

	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return nil, err //nolint:wrapcheck // parse wraps it, and it has the name
	}

	imports := make([]string, 0, len(file.Imports))

	for _, spec := range file.Imports {
		dep, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}

		imports = append(imports, dep)
	}

	return imports, nil
}

// inModule returns the folder of a package of this module.
func inModule(dep string) (string, bool) {
	if dep == Module {
		return ".", true
	}

	return strings.CutPrefix(dep, Module+"/")
}

// standard tells the standard library's paths, whose first part has no dot.
func standard(dep string) bool { return !strings.Contains(first(dep), ".") }

func first(name string) string {
	top, _, _ := strings.Cut(name, "/")

	return top
}

// within reports whether the import is one of the modules, in any major
// version, or in one of them. OpenTelemetry keeps its API and its SDK side by
// side below one path, so that path itself stands only for its own package.
func within(modules []string, dep string) bool {
	return slices.ContainsFunc(modules, func(module string) bool {
		if module == "go.opentelemetry.io/otel" {
			return dep == module
		}

		return dep == module || strings.HasPrefix(dep, module+"/")
	})
}

// matches reports whether the folder is covered by one of the patterns.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		tree, ok := strings.CutSuffix(pattern, "...")
		if !ok {
			return name == pattern
		}

		return tree == "" || name+"/" == tree || strings.HasPrefix(name, tree)
	})
}
