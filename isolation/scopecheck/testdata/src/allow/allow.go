package allow

import (
	"context"

	"github.com/partywall/partywall/isolation"
)

func use(ctx context.Context, why string) {
	isolation.AsSystem(ctx, why) //scopecheck:allow the caller's constant
	isolation.AsSystem(ctx, why) // want `made at run time`

	//scopecheck:allow the caller's constant
	isolation.AsSystem(ctx, why)

	/* want `without a reason silences nothing` */ //scopecheck:allow
	isolation.AsSystem(ctx, why)                   // want `made at run time`
	isolation.AsSystem(ctx, why)                   // want `made at run time`
	//scopecheck:allowed is another word
	isolation.AsSystem(ctx, why) // want `made at run time`
}
