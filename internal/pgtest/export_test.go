package pgtest

import "testing"

// Environment is environment with another getenv.
func Environment(t testing.TB, getenv func(string) string) { environment(t, getenv) }

// TemplateDatabase is the name of the template's own database.
func TemplateDatabase(m *Template) string { return m.database() }
