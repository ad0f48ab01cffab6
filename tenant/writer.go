package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Writer changes tenants by the rules: forms of names, legal transitions of
// status, and the one that the walls of other packages lean on: every change
// of placement, and of the right to write ([Status.Writable]), raises
// [Placement.Epoch] by exactly one, in the same write.
//
// A [Registry] is a Writer; pgtenant's WithTx gives one that is bound to a
// transaction of the host's. All methods may be called from any goroutine that
// may use the Records underneath.
//
// Every method fails with [ErrNotFound] for an ID that the catalog does not
// have, and with [ErrUnavailable] when it cannot be asked. After
// ErrUnavailable, or when ctx ends, the change may or may not have happened.
//
// Methods that are given no version and no epoch start over when somebody else
// was faster. They fail with [ErrConflict] when that happens again and again,
// or when it has ended the transaction that the Records are bound to.
type Writer struct {
	records  Records
	clock    func() time.Time
	reserved []string
	written  func(Tenant) // tells the registry; nil under a transaction
}

// conflictRetries bounds how often a method that was given no version starts
// over because somebody else was faster. Each loss means that another write
// went through, so this many in a row is a sign of a loop somewhere.
const conflictRetries = 16

// Create adds the tenant that spec describes and returns it. It fails with
// [ErrInvalid], telling all mistakes at once, for a spec that breaks a rule or
// a slug that is reserved ([ReservedSlugs]), with [ErrSlugTaken] when another
// tenant has the slug, a deleted one included, and with [ErrConflict] when one
// has the ID or the number that spec brings along.
func (w *Writer) Create(ctx context.Context, spec Spec) (Tenant, error) {
	err := spec.Validate()
	if slices.Contains(w.reserved, spec.Slug) {
		err = errors.Join(err, invalid("slug", spec.Slug, "is reserved"))
	}
	if err != nil {
		return Tenant{}, err
	}
	t := spec.tenant()
	if t.ID.IsZero() {
		t.ID = NewID(w.clock())
	}
	t, err = w.records.Create(ctx, t)
	if err != nil {
		return Tenant{}, fmt.Errorf("tenant: creating %q: %w", spec.Slug, reached(ctx, err))
	}
	w.tell(t)
	return t, nil
}

// Update changes what patch says of the tenant id, whose version the caller
// has seen, and returns it. It fails with [ErrConflict] when there has been
// another change since, with [ErrInvalid] and [ErrSlugTaken] as Create does,
// and with [ErrDeleted] for a tombstone. A reserved slug that the tenant has
// already may stay.
func (w *Writer) Update(ctx context.Context, id ID, version int64, patch Patch) (Tenant, error) {
	return w.once(ctx, "updating", id, func(t Tenant) (Tenant, error) {
		if t.Version != version {
			return t, fmt.Errorf("%w: version is %d, not %d", ErrConflict, t.Version, version)
		}
		next := patch.apply(t)
		if next.Slug != t.Slug && slices.Contains(w.reserved, next.Slug) {
			return t, invalid("slug", next.Slug, "is reserved")
		}
		return next, nil
	})
}

// Place sets where the data of the tenant id is, provided that its epoch is
// still fromEpoch: it is the compare-and-swap at the end of a move. The Epoch
// of p is not looked at; the new one is fromEpoch+1. It fails with
// [ErrConflict] when the epoch is another, with [ErrInvalid], and with
// [ErrDeleted] for a tombstone. A placement that says what the tenant's says
// already changes nothing, and the epoch stays.
func (w *Writer) Place(ctx context.Context, id ID, fromEpoch int64, p Placement) (Tenant, error) {
	return w.retry(ctx, "placing", id, func(t Tenant) (Tenant, error) {
		if t.Placement.Epoch != fromEpoch {
			return t, fmt.Errorf("%w: epoch is %d, not %d", ErrConflict, t.Placement.Epoch, fromEpoch)
		}
		p.Epoch = fromEpoch
		t.Placement = p
		return t, nil
	})
}

// Activate lets the tenant id be served. It fails with [ErrTransition] where
// [Status.CanBecome] says so; an Active tenant does not become Active.
func (w *Writer) Activate(ctx context.Context, id ID) (Tenant, error) {
	return w.become(ctx, "activating", id, Active, "")
}

// Suspend stops serving the tenant id for a reason, which [StatusError] tells
// its users; [ReasonPayment] has a meaning of its own. It also brings a
// Deleting tenant back. It fails with [ErrTransition] and [ErrInvalid].
func (w *Writer) Suspend(ctx context.Context, id ID, reason string) (Tenant, error) {
	return w.become(ctx, "suspending", id, Suspended, reason)
}

// Maintain pauses the tenant id for a moment, until Activate or Suspend. It
// fails with [ErrTransition] and [ErrInvalid]. Who pauses a Suspended tenant
// keeps its reason, to suspend it with again.
func (w *Writer) Maintain(ctx context.Context, id ID, reason string) (Tenant, error) {
	return w.become(ctx, "pausing", id, Maintenance, reason)
}

// Archive puts the tenant id away. It fails with [ErrTransition] and
// [ErrInvalid].
func (w *Writer) Archive(ctx context.Context, id ID, reason string) (Tenant, error) {
	return w.become(ctx, "archiving", id, Archived, reason)
}

// Delete announces the end of the tenant id: it is Deleting, can be brought
// back by Suspend, and may be buried once grace is over. It fails with
// [ErrTransition], and with [ErrInvalid] for a grace below zero. No data is
// removed here; see the package provisioning.
func (w *Writer) Delete(ctx context.Context, id ID, grace time.Duration) (Tenant, error) {
	if grace < 0 {
		return Tenant{}, invalid("grace", grace.String(), "is below zero")
	}
	return w.transition(ctx, "deleting", id, Deleting, func(t Tenant) (Tenant, error) {
		// Rounded to what catalogs keep, so that all nodes see the same instant.
		t.DeleteAfter = w.clock().Add(grace).UTC().Truncate(time.Microsecond)
		return t, nil
	})
}

// Bury makes a Deleting tenant a tombstone, after its data is gone: what is
// left are ID, number, slug, dates, and the words of the host that are not
// about people. Name and labels are emptied. It fails with [ErrTransition]
// before DeleteAfter, and for any other status.
func (w *Writer) Bury(ctx context.Context, id ID) (Tenant, error) {
	return w.transition(ctx, "burying", id, Deleted, func(t Tenant) (Tenant, error) {
		if w.clock().Before(t.DeleteAfter) {
			return t, &TransitionError{ID: t.ID, From: t.Status, To: Deleted, NotBefore: t.DeleteAfter}
		}
		t.Name, t.Labels, t.DeleteAfter = "", Labels{}, time.Time{}
		return t, nil
	})
}

func (w *Writer) become(ctx context.Context, doing string, id ID, to Status, reason string) (Tenant, error) {
	return w.transition(ctx, doing, id, to, func(t Tenant) (Tenant, error) {
		t.Reason, t.DeleteAfter = reason, time.Time{}
		return t, nil
	})
}

// transition changes the status, if that is legal, and whatever finish adds.
func (w *Writer) transition(
	ctx context.Context, doing string, id ID, to Status, finish func(Tenant) (Tenant, error),
) (Tenant, error) {
	return w.retry(ctx, doing, id, func(t Tenant) (Tenant, error) {
		if !t.Status.CanBecome(to) {
			return t, &TransitionError{ID: t.ID, From: t.Status, To: to}
		}
		next := t
		next.Reason = ""
		next, err := finish(next)
		next.Status = to
		return next, err
	})
}

// change computes the next state of a tenant from the one in the catalog.
type change func(Tenant) (Tenant, error)

// retry is once for changes that hold whatever version they meet: it starts
// over when somebody else's write came in between.
func (w *Writer) retry(ctx context.Context, doing string, id ID, next change) (t Tenant, err error) {
	var lost error
	for range conflictRetries {
		decided := false
		t, err = w.once(ctx, doing, id, func(t Tenant) (Tenant, error) {
			t, err := next(t)
			decided = err != nil
			return t, err
		})
		if decided || !errors.Is(err, ErrConflict) {
			break
		}
		lost = err
	}
	if lost != nil && w.written == nil && errors.Is(err, ErrUnavailable) {
		// Under a stricter isolation level the loss has ended the transaction.
		// That is what its owner can act on, by beginning another.
		return Tenant{}, lost
	}
	return t, err
}

// once reads the tenant, changes it and writes it back, if nobody else has
// written meanwhile.
func (w *Writer) once(ctx context.Context, doing string, id ID, next change) (Tenant, error) {
	before, err := w.records.Find(ctx, ByID(id))
	if err != nil {
		return Tenant{}, fmt.Errorf("tenant: %s %s: %w", doing, id, reached(ctx, err))
	}
	after, err := next(before)
	if err == nil && before.Status == Deleted {
		err = NewStatusError(before)
	}
	if err == nil {
		err = check(after)
	}
	if err != nil {
		return Tenant{}, fmt.Errorf("tenant: %s %s: %w", doing, id, err)
	}
	if same(before, after) {
		return before, nil
	}
	after.Placement.Epoch = nextEpoch(before, after)
	after, err = w.records.Update(ctx, after)
	if err != nil {
		return Tenant{}, fmt.Errorf("tenant: %s %s: %w", doing, id, reached(ctx, err))
	}
	w.tell(after)
	return after, nil
}

// nextEpoch is the rule of the epoch, in its one place.
func nextEpoch(before, after Tenant) int64 {
	after.Placement.Epoch = before.Placement.Epoch
	if after.Placement != before.Placement || after.Status.Writable() != before.Status.Writable() {
		return before.Placement.Epoch + 1
	}
	return before.Placement.Epoch
}

// same reports whether two states of one tenant say the same, apart from what
// the catalog counts.
func same(a, b Tenant) bool {
	labels := slices.Equal(a.Labels.pairs, b.Labels.pairs)
	return labels && a.Slug == b.Slug && a.Name == b.Name && a.Status == b.Status && a.Reason == b.Reason &&
		a.Plan == b.Plan && a.Region == b.Region && a.Placement == b.Placement && a.DeleteAfter.Equal(b.DeleteAfter)
}

func (w *Writer) tell(t Tenant) {
	if w.written != nil {
		w.written(t)
	}
}

// reached wraps what is not an answer of the catalog in ErrUnavailable.
func reached(ctx context.Context, err error) error {
	for _, answer := range []error{ErrNotFound, ErrConflict, ErrSlugTaken, ErrInvalid, ErrRewound, ErrUnavailable} {
		if err == nil || errors.Is(err, answer) {
			return err
		}
	}
	if gone := ctx.Err(); gone != nil { // the caller gave up; that says nothing of the catalog
		if errors.Is(err, gone) {
			return err
		}
		return fmt.Errorf("%w: %w", gone, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
