package pgtx

// Begin begins a transaction that may be silent for another time.
var Begin = begin
