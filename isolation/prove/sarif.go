package prove

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
)

// The parts of SARIF 2.1.0 that findings fill.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID string `json:"id"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Logical []sarifLogical `json:"logicalLocations"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
)

// WriteSARIF writes the report in SARIF 2.1.0, which code hosts show. A
// finding is in the database and not in a file, so its place is a logical one.
func (r *Report) WriteSARIF(w io.Writer) error {
	run := sarifRun{Tool: sarifTool{Driver: sarifDriver{Name: "partywall prove", Rules: []sarifRule{}}}, Results: []sarifResult{}}
	for _, f := range r.Findings {
		if rule := (sarifRule{ID: f.Code}); !slices.Contains(run.Tool.Driver.Rules, rule) {
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
		}
		level := map[Severity]string{Breach: "error", Warning: "warning", Info: "note"}[f.Severity]
		name := strings.TrimLeft(f.Server+"/"+f.Database+"/"+f.Object, "/")
		run.Results = append(run.Results, sarifResult{
			RuleID: f.Code, Level: level, Message: sarifText{Text: f.String()},
			Locations: []sarifLocation{{Logical: []sarifLogical{{Name: name}}}},
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}
