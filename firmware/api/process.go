package api

// Process is what a daemon says of itself that can't be seen from outside.
type Process struct {
	Goroutines uint64 `json:"goroutines"`
	// Heap is what the last garbage collection found in use, in bytes.
	Heap uint64 `json:"heap"`
}
