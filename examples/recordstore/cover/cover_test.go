package cover_test

import (
	"bytes"
	"fmt"
	"image/png"
	"testing"

	"github.com/partywall/partywall/examples/recordstore/cover"
)

func TestDraw(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for i := range 8 {
		for _, words := range [][]string{{fmt.Sprint(i), "a"}, {fmt.Sprint(i) + "a"}, {fmt.Sprint(i), "b"}, {"", fmt.Sprint(i)}, {}} {
			picture, err := cover.Draw(words...)
			if err != nil {
				t.Fatal(err)
			}
			again, err := cover.Draw(words...)
			if err != nil || !bytes.Equal(picture, again) {
				t.Errorf("%q: drawn again it is another one, %v", words, err)
			}
			if name := fmt.Sprintf("%q", words); seen[string(picture)] == "" {
				seen[string(picture)] = name
			} else if seen[string(picture)] != name {
				t.Errorf("%s and %s have the same cover", name, seen[string(picture)])
			}
			img, err := png.Decode(bytes.NewReader(picture))
			if err != nil || img.Bounds().Dx() != cover.Size || img.Bounds().Dy() != cover.Size || len(picture) > 8<<10 {
				t.Errorf("%q: %d bytes, %v", words, len(picture), err)
			}
		}
	}
}
