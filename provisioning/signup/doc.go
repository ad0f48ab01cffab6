// Package signup lets customers sign up by themselves: an [http.Handler] that
// takes their wishes, from a form or from a program, has a
// [provisioning.Engine] make the tenant, and shows each step as it happens.
//
//	GET  /signup                      the form
//	POST /signup                      starts; 303 to the next for forms, 202 with its URLs for programs
//	GET  /signup/{operation}          how far it is: a page, or JSON
//	GET  /signup/{operation}/events   the same, live, as server-sent events
//
// # Who may look
//
// There is nobody to log in yet, so the URL of a sign-up is all that it takes to
// follow it. It holds the operation's ID: a time, and 74 bits from crypto/rand,
// which nobody guesses by asking over a network. Only operations that were
// started here are there to be seen, which their [Actor] says; all others answer
// as those that do not exist. Pages are not cached, and their URL is not told to
// other sites.
//
// What the public sees of an operation is which step begins, is done, fails or
// is taken back, and when: no errors, no names of servers and workers, no
// tokens, no IDs of tenants. [Options.Message] can tell more.
//
// # Twice
//
// A request with an Idempotency-Key that was seen before, or a form that is sent
// twice, is answered with the sign-up of the first time. Who knows a key and what
// was asked for can follow that sign-up, so keys are made by chance, and have at
// least 16 bytes.
package signup
