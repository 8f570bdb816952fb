// Package house holds the rules of the source tree as tests: what may import
// what, what stands at the top level, how long a main may be.
package house
