package s3bucket

// Shrink has objects count as large that are larger than so many bytes, and be
// copied in parts of so many.
func (a *Account) Shrink(largest, part int64) { a.largest, a.partSize = largest, part }
