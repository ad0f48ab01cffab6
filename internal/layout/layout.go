// Package layout checks the shape of the house: which package may import
// which, where each heavy dependency lives, and which folders there are.
//
// [Check] parses the files of a tree itself, rather than asking the go
// command, so that the test cache notices when they change. The rules are the
// tables in rules.go; docs/design.md gives their reasons.
package layout

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Module is the path of the module that the rules are for.
const Module = "github.com/partywall/partywall"

// Finding is one broken rule.
type Finding struct {
	// Rule names the rule: "folder", "tree", "home", "stdlib", "embedded",
	// "program", "testonly" or "internal".
	Rule string

	// Package is the folder that breaks it, "." for the root.
	Package string

	// Text says how.
	Text string
}

// String formats the finding for people.
func (f Finding) String() string { return f.Rule + ": " + f.Package + " " + f.Text }

// Check returns what breaks the rules in a tree that is the module's root. It
// fails when a file cannot be read or parsed. Folders that hold another module
// are not looked at.
func Check(tree fs.FS) ([]Finding, error) {
	packages, err := parse(tree)
	if err != nil {
		return nil, err
	}

	findings, err := checkFolders(tree)
	if err != nil {
		return nil, err
	}

	graph := newGraph(packages)
	for _, pkg := range packages {
		findings = append(findings, checkTree(pkg)...)
		findings = append(findings, checkStdlib(pkg)...)
		findings = append(findings, checkPrograms(pkg)...)
		findings = append(findings, checkInternal(graph, pkg)...)
		findings = append(findings, checkEmbedded(graph, pkg)...)
		findings = append(findings, checkHomes(graph, pkg)...)
	}

	slices.SortFunc(findings, func(a, b Finding) int { return cmp.Compare(a.String(), b.String()) })

	return slices.Compact(findings), nil
}

// checkFolders allows the fixed list, and what the go command and git ignore.
func checkFolders(tree fs.FS) ([]Finding, error) {
	entries, err := fs.ReadDir(tree, ".")
	if err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}

	var findings []Finding

	for _, entry := range entries {
		name := entry.Name()

		switch {
		case entry.IsDir() && !strings.HasPrefix(name, ".") && !slices.Contains(folders(), name):
			findings = append(findings, Finding{"folder", name, "is not one of the fixed folders"})
		case !entry.IsDir() && strings.HasSuffix(name, ".go") && name != "doc.go":
			findings = append(findings, Finding{"folder", ".", "holds " + name + ": the root has doc.go only"})
		}
	}

	return findings, nil
}

// checkTree looks at direct imports within the module, tests included.
func checkTree(pkg *source) []Finding {
	if pkg.under("examples") || matches(publicUsers(), pkg.path) {
		return nil
	}

	allowed := below()[pkg.top()]

	var findings []Finding

	for _, dep := range slices.Concat(pkg.imports, pkg.testImports) {
		inner, ok := inModule(dep)
		if !ok {
			continue
		}

		if top := first(inner); top != pkg.top() && !slices.Contains(allowed, top) {
			findings = append(findings, Finding{"tree", pkg.path, "imports " + inner})
		}
	}

	return findings
}

// checkStdlib holds the packages that users build everything on to the
// standard library.
func checkStdlib(pkg *source) []Finding {
	if !slices.Contains(stdlibOnly(), pkg.path) {
		return nil
	}

	var findings []Finding

	for _, dep := range pkg.imports {
		if !standard(dep) {
			findings = append(findings, Finding{"stdlib", pkg.path, "imports " + dep})
		}
	}

	return findings
}

// sameProgram reports whether two packages are parts of one program.
func sameProgram(a, b string) bool {
	return slices.ContainsFunc(programs(), func(pattern string) bool {
		return matches([]string{pattern}, a) && matches([]string{pattern}, b)
	})
}

// checkPrograms keeps packages that are ends in themselves from being
// imported, and test helpers from being imported by code that ships.
func checkPrograms(pkg *source) []Finding {
	var findings []Finding

	for _, dep := range slices.Concat(pkg.imports, pkg.testImports) {
		inner, ok := inModule(dep)
		// A program is made of parts, and tested from outside of them.
		if ok && matches(programs(), inner) && !sameProgram(pkg.path, inner) {
			findings = append(findings, Finding{"program", pkg.path, "imports " + inner + ", which nobody may"})
		}
	}

	if !pkg.library() {
		return findings
	}

	for _, dep := range pkg.imports {
		if inner, ok := inModule(dep); ok && matches(testOnly(), inner) {
			findings = append(findings, Finding{"testonly", pkg.path, "imports " + inner + " outside its tests"})
		}
	}

	return findings
}

// checkInternal keeps what every library links light.
func checkInternal(g *graph, pkg *source) []Finding {
	if !pkg.library() {
		return nil
	}

	var findings []Finding

	for dep, via := range g.reach(pkg.imports, pkg.path) {
		inner, ok := inModule(dep)
		if !ok || first(inner) != "internal" {
			continue
		}

		linked, known := g.packages[inner]
		if !known {
			continue // the compiler says so better
		}

		for _, foreign := range linked.imports {
			if _, ok := inModule(foreign); !ok && !standard(foreign) && !within(light(), foreign) {
				text := fmt.Sprintf("is linked by libraries such as %s (through %s) and imports %s", pkg.path, via, foreign)
				findings = append(findings, Finding{"internal", inner, text})
			}
		}
	}

	return findings
}

// checkEmbedded keeps libraries, and their tests, from starting servers of
// their own.
func checkEmbedded(g *graph, pkg *source) []Finding {
	if !pkg.library() {
		return nil
	}

	var findings []Finding

	for dep, via := range g.reach(slices.Concat(pkg.imports, pkg.testImports), pkg.path) {
		if inner, ok := inModule(dep); ok && inner == embedded {
			findings = append(findings, Finding{"embedded", pkg.path, "links " + inner + " through " + via})
		}
	}

	return findings
}

// checkHomes looks at everything that a package links within the module.
func checkHomes(g *graph, pkg *source) []Finding {
	var findings []Finding

	for _, home := range homes() {
		if !matches(home.packages, pkg.path) {
			findings = append(findings, g.linked(pkg, pkg.imports, home, "links")...)
		}

		if !matches(slices.Concat(home.packages, home.tests), pkg.path) {
			findings = append(findings, g.linked(pkg, pkg.testImports, home, "links in its tests")...)
		}
	}

	return findings
}
