// Package trial holds the tests of everything together: tenants of all
// strategies under load, crashes of the servers, and the libraries that hosts
// use on the wall. Nobody imports it.
//
// TestSoak does 10,000 operations, and 1,000,000 with PARTYWALL_SOAK=full.
package trial
