// Command scopecheck runs the analyzer of package scopecheck, either by
//
//	go vet -vettool=$(which scopecheck) ./...
//
// or on its own, with patterns of packages as arguments.
package main

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis/singlechecker"
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/partywall/partywall/isolation/scopecheck"
)

func main() {
	if slices.ContainsFunc(os.Args[1:], fromVet) {
		unitchecker.Main(scopecheck.New())
	}
	singlechecker.Main(scopecheck.New())
}

// fromVet reports whether an argument is of the protocol by which the go
// command drives a vet tool.
func fromVet(arg string) bool {
	return strings.HasPrefix(arg, "-V=") || arg == "-flags" || strings.HasSuffix(arg, ".cfg")
}
