package load

import (
	"bytes"
	"slices"
	"testing"
)

func TestSinkTellsWhatArrivedOfAStream(t *testing.T) {
	const size = 700_000
	write := func(b Bulk, client int) ([]byte, took) {
		var wire bytes.Buffer
		sent, err := b.write(&wire, Client(client))
		if err != nil {
			t.Fatal(err)
		}
		return wire.Bytes(), sent
	}
	arrives := func(wire []byte) took {
		var s stream
		for piece := range slices.Chunk(wire, 1460) {
			s.take(piece)
		}
		if back := decodeTook(s.took().encode()); back != s.took() {
			t.Errorf("the node's word was %+v and became %+v", s.took(), back)
		}
		return s.took()
	}
	counted, sent := write(Bulk{Bytes: size}, 1)
	if got := arrives(counted); got != sent || got != (took{bytes: size}) {
		t.Errorf("of a stream that is counted arrived %+v, sent was %+v", got, sent)
	}
	wire, sent := write(Bulk{Bytes: size, Summed: true}, 1)
	if got := arrives(wire); got != sent || got.bytes != size || got.sum == 0 {
		t.Errorf("arrived %+v, sent was %+v", got, sent)
	}
	other, _ := write(Bulk{Bytes: size, Summed: true}, 2)
	for what, wrong := range map[string][]byte{
		"a byte":               slices.Concat(wire[:5000], []byte{^wire[5000]}, wire[5001:]),
		"two pieces' order":    slices.Concat(wire[:1460], wire[2920:4380], wire[1460:2920], wire[4380:]),
		"a piece of another":   slices.Concat(wire[:300_000], other[300_000:301_460], wire[301_460:]),
		"the whole of another": other,
	} {
		if got := arrives(wrong); got.bytes != sent.bytes || got.sum == sent.sum {
			t.Errorf("with %s wrong arrived %+v, sent was %+v", what, got, sent)
		}
	}
	if got := arrives(wire[1:]); got == sent {
		t.Errorf("a byte is missing, and arrived is %+v", got)
	}
}
