package signup_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing/fstest"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/signup"
	"github.com/partywall/partywall/tenant"
)

// A shop signs up, and has its first records when it is ready.
func Example() {
	ctx := context.Background()
	catalog, tenants, db, closeHouse := exampleHouse(ctx)
	defer closeHouse()
	seed := fstest.MapFS{"records.csv": {Data: []byte("id,title\n1,Kind of Blue\n2,Giant Steps\n")}} // or embed.FS
	policy := &provisioning.Policy{Servers: map[string]provisioning.Capacity{"eu-1": {}}, Loads: tenants.Loads}
	engine, err := provisioning.New(catalog, tenants, &provisioning.Options{Lifecycle: &provisioning.Lifecycle{
		Database: db, Place: policy.Place, Seed: provisioning.Seed(db, provisioning.SeedCSV(seed, "*.csv")),
	}})
	if err != nil {
		panic(err)
	}
	if err := engine.Start(ctx); err != nil {
		panic(err)
	}
	defer func() { _ = engine.Stop(ctx) }()

	handler, err := signup.New(engine, &signup.Options{Plans: []signup.Plan{{Name: "free"}}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/signup", handler)
	mux.Handle("/signup/", handler)
	server := httptest.NewServer(mux)
	defer server.Close()
	server.Config.RegisterOnShutdown(handler.Close)

	// What a program does, and its customer sees.
	answer, err := http.Post(server.URL+"/signup", "application/json", strings.NewReader(`{"slug": "blue-note", "plan": "free"}`)) //nolint:noctx // it is short
	if err != nil {
		panic(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var started signup.Started
	if err := json.NewDecoder(answer.Body).Decode(&started); err != nil {
		panic(err)
	}
	fmt.Println(answer.Status)
	watch(server.URL + started.Events)

	who, err := tenants.Refresh(ctx, tenant.BySlug("blue-note"))
	if err != nil {
		panic(err)
	}
	var records int
	err = db.QueryRow(tenant.NewContext(ctx, who), `SELECT count(*) FROM records`).Scan(&records)
	fmt.Println(who.Status, records, err)
	// Output:
	// 202 Accepted
	// tenant
	// database
	// certificate and domain
	// certificate and domain
	// seed
	// verify
	// activate
	// active 2 <nil>
}

// watch prints the steps that are done until the operation has ended.
func watch(url string) {
	answer, err := http.Get(url) //nolint:noctx // it ends with the operation
	if err != nil {
		panic(err)
	}
	defer func() { _ = answer.Body.Close() }()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		var event signup.Event
		data, isData := strings.CutPrefix(lines.Text(), "data: ")
		if !isData || json.Unmarshal([]byte(data), &event) != nil || event.Type != provisioning.StepDone {
			continue
		}
		if event.Step == "certificate" || event.Step == "domain" {
			event.Step = "certificate and domain" // at the same time
		}
		fmt.Println(event.Step)
	}
}
