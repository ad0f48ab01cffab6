package system

import (
	"context"

	"github.com/partywall/partywall/isolation"
)

const reason = "monthly bill"

func use(ctx context.Context, why string) {
	isolation.AsSystem(ctx, "what sells")
	isolation.AsSystem(ctx, reason+", again")
	isolation.AsSystem(ctx, " ") // want `AsSystem without a reason`
	isolation.AsSystem(ctx, why) // want `the reason of AsSystem is made at run time`
}
