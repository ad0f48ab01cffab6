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

// A line has each come back about when it is its turn.
func ExampleWaitError_Again() {
	wait := &pace.WaitError{
		Until: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		Rate:  pace.Rate{Burst: 240, Refill: 45 * time.Second},
	}
	for _, ahead := range []int{0, 10, 500} {
		fmt.Println(ahead, wait.Again(ahead, "shop.customer.example").Format(time.TimeOnly), wait.Crowded(ahead))
	}
	// Output:
	// 0 09:00:00 false
	// 10 09:06:00 false
	// 500 14:00:04 true
}
