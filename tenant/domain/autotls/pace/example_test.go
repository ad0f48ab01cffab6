package pace_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// A budget says when a certificate may be ordered, before it is asked for.
func Example() {
	ctx := context.Background()
	clock := func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }
	budget, err := pace.New(pace.NewMemoryLedger(clock), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for n := 1; ; n++ {
		err := budget.Order(ctx, pace.Order{
			Account: "https://acme-v02.api.letsencrypt.org/acme/acct/1",
			Hosts:   []string{"shop.customer.example"},
		})
		if wait, ok := errors.AsType[*pace.WaitError](err); ok {
			fmt.Println("order", n, "has to wait:", wait.Limit, "until", wait.Until.Format(time.DateTime))
			return
		}
	}
	// Output: order 5 has to wait: exact-set until 2026-03-04 03:00:00
}

// The authority's window decides, and else two thirds of the life.
func ExampleRenewAt() {
	issued := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	lapses := issued.AddDate(0, 0, 45)
	fmt.Println(pace.RenewAt(issued, lapses, nil, "shop.customer.example").Format(time.DateOnly))

	window := &pace.Window{Start: issued.AddDate(0, 0, 10), End: issued.AddDate(0, 0, 11)}
	fmt.Println(pace.RenewAt(issued, lapses, window, "shop.customer.example").Format(time.DateOnly))
	// Output:
	// 2026-04-03
	// 2026-03-12
}

// A queue lets customers go before imports, and says when to come again.
func ExampleQueue() {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	budget, err := pace.New(pace.NewMemoryLedger(func() time.Time { return now }), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	queue := pace.NewQueue(budget)
	for _, item := range []pace.Item{
		{Due: now, Order: pace.Order{Hosts: []string{"imported.example"}, Class: pace.Import}},
		{Due: now, Order: pace.Order{Hosts: []string{"customer.example"}}},
		{Due: now.Add(time.Hour), Order: pace.Order{Hosts: []string{"later.example"}}},
	} {
		if err := queue.Add(item); err != nil {
			fmt.Println(err)
		}
	}
	orders, wake, err := queue.Next(context.Background(), now, 10)
	if err != nil {
		fmt.Println(err)
	}
	for _, order := range orders {
		fmt.Println(order.Class, order.Hosts)
	}
	fmt.Println("again at", wake.Format(time.TimeOnly))
	// Output:
	// waiting [customer.example]
	// import [imported.example]
	// again at 10:00:00
}
